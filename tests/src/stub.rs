//! VMs that are none: the whole of Kiln but the guest's own kernel.
//!
//! ```text
//! kilnd-stub ──── kiln-shim ──── stub-guest ──── the commands, processes of this host
//!    (driver)                    (switchboard, bridge and the real agent)
//! ```
//!
//! A stub guest speaks the bridge's protocol on `vsock.sock` and runs the real agent behind it, in a
//! pid namespace of its own, so that its commands go when it does, as a guest's do. It boots in
//! milliseconds and can be told to misbehave ([`Switch`]): what is about the daemon and not about
//! guests is tried here, often.

mod bridge;
mod driver;
mod flood;
pub mod guest;
mod image;
mod machine;
mod switch;
mod switchboard;
mod trespass;

/// The one program of a stub guest's machine, which has no jail.
pub const PROGRAM: &str = driver::UNSHARE;

pub use self::{driver::StubVmm, image::make_image, switch::Switch, trespass::trespass};

/// The variable that names a file for what a daemon without privileges was not denied.
pub const TRESPASS: &str = "KILN_STUB_TRESPASS";

/// The variable that gives a daemon of stubs another budget of memory than its machine's, in MiB.
pub const MEMORY: &str = "KILN_STUB_MEMORY";

/// The variable that has a daemon's stub guests send what they should not.
pub const FLOOD: &str = "KILN_STUB_FLOOD";

/// What a stub guest's processes need beside what its commands take.
pub const OVERHEAD_BYTES: u64 = 64 << 20;
