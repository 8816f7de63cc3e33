//! kilnd's side of `kiln-shim`, the supervisor of one VM.
//!
//! ```text
//!            create                                              wait
//! (nothing) ────────▶ Supervision ──────────────────────────────────────▶ SupervisedEnd
//!                        │    ▲   └── kill, or dropped: the supervisor ends them all ──▲
//!                 leave, │    │ adopt: proven by boot, home, start time and socket    │
//!     or kilnd dies      ▼    │                                                       │
//!                     the supervisor and its programs alone ──────────────────────────┘
//! ```
//!
//! *Happy path*: the supervisor tells how the machine ended and is told that it is done. *Failure
//! paths*: it dies, and the kernel kills its programs; whoever was not reached by that is proven by
//! start time and killed. It does not answer: it is killed by its descriptor, never by a number.
//! What it wrote down before (`exit.json`) stands even then.
//!
//! Everything here is generic: which programs a machine is made of, and what their ends mean, is
//! the driver's. A driver outside this crate is written against it in the same way as QEMU's.

mod adopt;
mod client;
mod create;
mod end;
mod launch;
mod oversee;
mod process;
mod supervision;

use std::{io, path::PathBuf};

pub use kiln_shim::{
    Child, ChildExit, Descriptor, End, ExitRecord, Order, Program, Source, Stdout,
};

pub use self::{
    adopt::Found, create::SupervisedSpec, end::SupervisedEnd, supervision::Supervision,
};
pub(super) use self::{
    client::{Link, LinkError},
    process::{Proven, sweep},
};

/// Where the supervisor's program is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShimConfig {
    pub program: PathBuf,
}

impl ShimConfig {
    /// Beside the program that runs: they are installed together.
    pub fn beside_this_program() -> io::Result<Self> {
        let program = std::env::current_exe()?.with_file_name("kiln-shim");
        Ok(Self { program })
    }
}
