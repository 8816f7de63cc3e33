//! How much of the kernel one program may use.

use rustix::{
    io,
    process::{Resource, Rlimit, getrlimit, setrlimit},
};

use crate::{Jail, Profile};

/// Queues of devices, eventfds of each and those of the guest's processors: some hundreds.
const FILES: u64 = 4096;
/// Two for each of some thousand connections.
const FILES_OF_GATEWAY: u64 = 16_384;

/// Neither allocates nor locks. How many threads there may be is its cgroup's matter, where those of
/// other programs count too.
pub(crate) fn set(jail: Option<&Jail>) -> io::Result<()> {
    // A core dump of a VMM is a copy of its guest's memory. No file is made of one byte; and where
    // cores are piped to a program, it is this limit that the kernel gives none of them with, not 0.
    limit(Resource::Core, 1)?;
    let Some(jail) = jail else { return Ok(()) };
    limit(Resource::Fsize, jail.file_bytes)?;
    let files = match jail.profile {
        Profile::Gateway => FILES_OF_GATEWAY,
        Profile::CloudHypervisor | Profile::Qemu | Profile::VhostDeviceVsock => FILES,
    };
    limit(Resource::Nofile, files)?;
    // A guest's memory is not locked: the host may swap it out, and its cgroup counts it.
    limit(Resource::Memlock, 0)
}

/// Never above what its starter has itself: without privileges that could not be.
fn limit(resource: Resource, most: u64) -> io::Result<()> {
    let most = getrlimit(resource).maximum.map_or(most, |maximum| maximum.min(most));
    setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) })
}
