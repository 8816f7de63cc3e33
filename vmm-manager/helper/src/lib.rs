//! `kiln-helper`: what kilnd needs root for, in a process of its own.
//!
//! ```text
//! kilnd, root ── policy (stdin) ──▶ kiln-helper ──────────────────────────────────▶ end of its socket
//!    │                                  ▲ one request at a time, each checked                ▲
//!    └─ becomes --user ── requests ─────┴──────────────── kilnd ends, however it ends ───────┘
//! ```
//!
//! kilnd parses what guests and clients say, so it has no privileges; this process has some, and
//! reads nothing but requests of kilnd's, whose kinds are [`Request`] and no more. What each may
//! name is fixed by the [`Policy`], which kilnd gave while it was root itself and no byte of a guest
//! had been read. A request that the policy has not is refused, in a typed answer and in the log.
//!
//! # What a kilnd that was taken over could still do
//! All that kilnd may do is to keep machines of its home, so that is what is left:
//! - start machines of its home: the programs that root named, shut in, as users of this daemon's
//!   own range; with any command line, any disks of its home, and any limits of memory, processors
//!   and processes. It could wear the host out; it could read and alter what its own jobs read and
//!   wrote; and it could let a guest that it shares a plan with read any file that is below a
//!   readable root or its own sources and that everybody may read.
//! - end machines of its home, and those of another kilnd that runs as the same user: give daemons
//!   that shall be apart users of their own.
//! - remove files below `HOME/vms`, all of which are its own jobs'.
//! - see which descriptors the programs of its machines wait for, and nothing else of them.
//! - let the daemon's socket vanish, or listen there.
//! - make networks for machines of its home, up to root's ceiling and limits, and end them; and open
//!   for one what is under that ceiling. So it could let a guest reach what its job's policy has not,
//!   where root lets some guest reach it: never the host, another guest, a private or link-local
//!   range, or what root named. It could take every address of the pool.
//! - see what went through its machines' networks, and which links of the host's stand in their way.
//!
//! It can't run a program with privileges or without a jail (unless root allowed that by name, as
//! tests with guests that are none do), change an address, a route, a rule or a link of the host's
//! that is not its own machines', put a program other than root's gateway into a network, hold a
//! descriptor of one beyond a guest's own end, become another user, signal a process that is not of its
//! machines, open or change a file that it could not as its own user, or change what it may ask for.

pub mod cgroup;
mod channel;
mod epolls;
mod files;
mod gateway;
mod given;
mod kill;
mod listen;
mod networks;
mod policy;
mod protocol;
mod serve;
mod supervisor;

pub use self::{
    channel::{Channel, ChannelError, MAX_MESSAGE_BYTES, Message},
    given::GATEWAY_USERS,
    policy::{Policy, Refusal, Uids},
    protocol::{Answer, Request},
    serve::{SOCKET, main},
};
