//! One machine beside another.

use std::{
    fs,
    os::{
        linux::net::SocketAddrExt as _,
        unix::net::{SocketAddr, UnixListener},
    },
};

use crate::machine::{Machine, PROFILES};

pub(crate) fn other_machines_and_the_host_are_out_of_reach() {
    for profile in PROFILES {
        let sibling = Machine::new();
        let mut theirs = sibling.start(profile, &["allowed"]);
        while theirs.line() != "listens\tdone" {}
        for name in ["shim.json", "exit.json", "shim.lock"] {
            fs::write(sibling.path(name), "theirs").unwrap();
        }
        let own = ["shim.sock", "qmp.sock", "api.sock"];
        let _own: Vec<_> =
            own.iter().map(|name| UnixListener::bind(sibling.path(name)).unwrap()).collect();
        let host = tempfile::tempdir().unwrap();
        let socket = host.path().join("host.sock");
        let _host = UnixListener::bind(&socket).unwrap();
        let name = format!("kiln-jail-test-{}-{profile:?}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let _nameless = UnixListener::bind_addr(&address).unwrap();
        let names = [
            "disk",
            "kernel",
            "run",
            "shot",
            "shim.json",
            "exit.json",
            "shim.lock",
            "run/a.sock",
            "shim.sock",
            "qmp.sock",
            "api.sock",
            "",
        ];
        let mut targets: Vec<String> =
            names.iter().map(|name| sibling.path(name).display().to_string()).collect();
        targets.push(socket.display().to_string());
        targets.push(format!("@{name}"));
        let theirs_in_proc = format!("/proc/{}", theirs.pid);
        for name in ["mem", "root", "environ", "maps", "fd/0", "cwd/disk"] {
            targets.push(format!("{theirs_in_proc}/{name}"));
        }
        let own = std::process::id();
        targets.extend(["/etc/shadow".to_owned(), format!("/proc/{own}/root/etc/shadow")]);
        let machine = Machine::new();
        let arguments: Vec<&str> =
            ["reach"].into_iter().chain(targets.iter().map(String::as_str)).collect();
        let said = machine.start(profile, &arguments).finish();
        assert!(said.lines().count() >= 20, "{said}");
        for line in said.lines() {
            let (name, outcome) = line.split_once('\t').unwrap();
            let denials = [libc::ENOENT, libc::EACCES, libc::EPERM, libc::ECONNREFUSED];
            assert!(
                denials.iter().any(|denial| denial.to_string() == outcome),
                "{name}: {outcome}"
            );
        }
        println!("{profile:?}: {} of others out of reach", said.lines().count());
    }
}
