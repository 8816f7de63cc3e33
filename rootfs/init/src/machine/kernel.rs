//! What of the kernel's settings a container's programs count on.

use std::io;

use rustix::{
    process::{Resource, Rlimit, getrlimit, setrlimit},
    system::{RebootCommand, reboot},
};

/// docker's: a user who is not root may listen on port 80 and may ping.
const SETTINGS: [(&str, &str); 2] = [
    ("/proc/sys/net/ipv4/ip_unprivileged_port_start", "0"),
    ("/proc/sys/net/ipv4/ping_group_range", "0 2147483647"),
];

pub(super) fn arrange(note: &mut dyn FnMut(String)) {
    for (file, value) in SETTINGS {
        match std::fs::write(file, value) {
            // A kernel without a network has nothing to set.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => note(format!("{file} stays as it is: {error}")),
            Ok(()) => {}
        }
    }
    limit_files(note);
    // Ctrl-alt-del becomes a signal to process 1, instead of a reset. Where the kernel does not let it
    // be, as in a process namespace, there is no keyboard either.
    let _ = reboot(RebootCommand::CadOff);
}

/// docker's since containerd 2. The soft limit stays small for programs that use `select`, or close
/// all that they could have open.
fn limit_files(note: &mut dyn FnMut(String)) {
    const SOFT: u64 = 1024;
    const HARD: u64 = 512 * 1024;
    let limit = |hard| Rlimit { current: Some(SOFT.min(hard)), maximum: Some(hard) };
    if let Err(errno) = setrlimit(Resource::Nofile, limit(HARD)) {
        let hard = getrlimit(Resource::Nofile).maximum.unwrap_or(HARD);
        note(format!("no process may open more than {hard} files: {errno}"));
        // Lowering is everybody's right.
        let _ = setrlimit(Resource::Nofile, limit(hard));
    }
}
