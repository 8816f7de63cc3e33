//! A network for one machine, closed by default. Knows nothing of jobs: takes a policy, gives a
//! network, and tells what happened on it.
//!
//! ```text
//! guest ══ TAP "guest" ══▶ namespace of this VM alone ══▶ veth ══▶ the host's namespace ══▶ outside
//!          (a descriptor     its own nftables table,                our table: marks, masquerades;
//!           of the VMM)      its gateway process                    nothing in it is of one VM
//! ```
//!
//! A VM's network lives in a network namespace of its own: when the last process and descriptor in
//! it goes, the kernel takes TAP, veth, rules, routes and connections away by itself, whatever died.
//! Two VMs share no link. Every VM sees the same addresses ([`plan::GuestLink`]), so that a clone of
//! a snapshot needs none of its own; what is unique on the host is the address of its uplink.
//!
//! Fails closed twice, neither by nftables: in the VM's namespace what comes from the guest has a
//! route only with a mark that our rules give, and on the host what comes from the pool has. And
//! what leaves without having been translated by our rules fails the host's reverse path check.

pub mod address;
pub mod control;
pub mod host;
pub mod lock;
pub mod name;
pub mod namespace;
pub mod netlink;
pub mod network;
pub mod nft;
pub mod plan;
pub mod policy;
pub mod record;
pub mod ruleset;
pub mod seen;
pub mod sysctl;
pub mod tap;
pub mod uplink;
pub mod watch;
