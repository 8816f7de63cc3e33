//! Files and sockets that are not the program's own.

use std::{
    fs::{File, OpenOptions},
    io,
    os::{
        linux::net::SocketAddrExt as _,
        unix::net::{SocketAddr, UnixStream},
    },
};

use super::tell;

/// What every host has, and ways out of a root.
const OTHERS: [&str; 30] = [
    "/etc/shadow",
    "/etc/passwd",
    "/etc/hostname",
    "/etc/resolv.conf",
    "/root",
    "/home",
    "/tmp",
    "/var",
    "/run",
    "/run/dbus/system_bus_socket",
    "/var/run/docker.sock",
    "/proc",
    "/proc/self/mem",
    "/proc/self/root",
    "/proc/1/root",
    "/proc/1/environ",
    "/proc/kcore",
    "/proc/sys/kernel/core_pattern",
    "/sys",
    "/sys/kernel",
    "/sys/fs/cgroup",
    "/dev/mem",
    "/dev/kmsg",
    "/dev/vda",
    "/dev/net/tun",
    "/dev/null",
    "/dev/pts/ptmx",
    "/bin/sh",
    "../../../../../../../../etc/shadow",
    "run/../../../../../../../etc/shadow",
];

/// Its own, for what it was not given them for; `hidden` lie beside them.
pub(super) fn try_all(hidden: &[&str]) {
    for path in OTHERS.iter().chain(hidden) {
        tell(&format!("open {path}"), File::open(path).map(drop));
    }
    let write = |path: &str| OpenOptions::new().write(true).open(path).map(drop);
    let make = |path: &str| OpenOptions::new().write(true).create_new(true).open(path).map(drop);
    let own = std::env::args().next().unwrap();
    for path in ["kernel", &own] {
        tell(&format!("write {path}"), write(path));
    }
    for path in ["/new", "new", "/etc/new", "/lib64/new"] {
        tell(&format!("make {path}"), make(path));
    }
    for path in ["kernel", "disk", &own] {
        tell(&format!("remove {path}"), std::fs::remove_file(path));
    }
    for path in ["/", "."] {
        // Where the kernel knows no Landlock, only its own few names are seen.
        tell(&format!("list {path}"), std::fs::read_dir(path).map(drop));
    }
    tell("execute disk", execute(c"disk"));
    tell("execute /bin/sh", execute(c"/bin/sh"));
}

/// Files and sockets of others, by their paths; and sockets without a path, by their names.
pub(super) fn reach(targets: &[&str]) {
    for target in targets {
        let outcome = match target.strip_prefix('@') {
            Some(name) => SocketAddr::from_abstract_name(name)
                .and_then(|address| UnixStream::connect_addr(&address))
                .map(drop),
            None if target.contains(".sock") => UnixStream::connect(target).map(drop),
            None => File::open(target).map(drop),
        };
        tell(target, outcome);
    }
}

fn execute(path: &std::ffi::CStr) -> io::Result<()> {
    let none = [std::ptr::null()];
    let arguments = [path.as_ptr(), std::ptr::null()];
    // SAFETY: strings that end in zero, lists that end in null.
    unsafe { libc::execve(path.as_ptr(), arguments.as_ptr(), none.as_ptr()) };
    Err(io::Error::last_os_error())
}
