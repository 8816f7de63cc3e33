//! `kiln-shim`: the supervisor of one VM.
//!
//! ```text
//!  order (stdin)      detach       children, in order        "committed"        one of them ends
//! ──────────────▶ read ───▶ alone ──────────────────▶ leashed ─────────▶ free ────────────────┐
//!                                                        │                                    ▼
//!                                     the starter dies ──┴──▶ all killed, gone     rest killed, all reaped
//!                                                                                             │
//!                                        "done", or nobody comes for a while ◀── exit.json ◀──┘
//! ```
//!
//! kilnd starts one for each machine and speaks to it over `shim.sock`; it goes on when kilnd dies,
//! and the next kilnd finds it by `shim.json`. Its children die with it, however it dies. The
//! library is what both sides must agree on; `supervise` is the process itself.

mod files;
mod identity;
mod order;
pub mod privileges;
mod protocol;
mod record;
mod report;
mod ring;
pub mod supervise;

pub use self::{
    files::{EXIT_FILE, LOCK_FILE, LOG_FILE, RECORD_FILE, SOCKET},
    identity::{ProcessIdentity, boot_id},
    order::{
        DESCRIPTORS, Descriptor, GIVEN, InvalidOrder, MAX_ORDER_BYTES, Order, Program, RUN, Source,
        Stdout,
    },
    protocol::{
        Answer, Ask, Body, Child, Greeting, Hello, MAJOR, MAX_ANSWER_BYTES, MAX_REQUEST_BYTES,
        MINOR, Request, Serial, Status, line,
    },
    record::{ChildExit, End, ExitRecord, RecordError, ShimRecord, Traces},
    report::{COMMITTED, Report, StartFailure},
    ring::Ring,
};
