//! The resolvers that programs in guests have in them hear a refusal the first time, and neither
//! wait nor ask again. As root: each in a network and with an `/etc/resolv.conf` of its own.

use std::{
    path::Path,
    process::{Command, Output},
    thread,
};

use kiln_net::record::Reason;
use rustix::{
    mount::{MountPropagationFlags, mount_bind, mount_change},
    thread::{UnshareFlags, unshare_unsafe},
};

use crate::gateway::{Setup, allow};

/// The exit status is 2 where nothing is found.
const LOOKUP: &str = r"
#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
int main(int count, char **words) {
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *found;
    if (count < 3 || getaddrinfo(words[2], 0, &hints, &found)) return 2;
    char text[64];
    getnameinfo(found->ai_addr, found->ai_addrlen, text, sizeof text, 0, 0, NI_NUMERICHOST);
    puts(text);
    return 0;
}
";

#[test]
fn glibc_hears_a_refusal_the_first_time() {
    on_its_own(|_| hears("getent".as_ref()));
}

#[test]
fn musl_hears_a_refusal_the_first_time() {
    on_its_own(|directory| {
        let (source, program) = (directory.join("lookup.c"), directory.join("lookup"));
        std::fs::write(&source, LOOKUP).unwrap();
        let mut compiler = Command::new("musl-gcc");
        let status = compiler.arg("-static").arg("-o").arg(&program).arg(&source).status();
        assert!(status.expect("musl-gcc starts").success());
        hears(&program);
    });
}

/// What `program` does about `ahosts NAME`.
fn hears(program: &Path) {
    let gateway = Setup { port: 53, ..Setup::of(allow()) }.start();
    gateway.memory.addresses("one.test", &["198.51.100.1"]);
    let look = |name| -> Output {
        let mut command = Command::new(program);
        command.args(["ahosts", name]).env_remove("RES_OPTIONS").env_remove("LOCALDOMAIN");
        command.output().unwrap()
    };
    let found = look("one.test");
    assert!(found.status.success(), "{found:?}");
    assert!(found.stdout.starts_with(b"198.51.100.1"), "{found:?}");
    assert_eq!(look("evil.test").status.code(), Some(2));
    // One question for each family, and none of them twice.
    let asked = gateway.refusals();
    assert!(asked.iter().any(|(_, kind, ..)| kind == "A"), "{asked:?}");
    for (name, _, reason, times) in &asked {
        assert_eq!(
            (name.as_str(), *reason, *times),
            ("evil.test", Reason::NotAllowed, 1),
            "{asked:?}"
        );
    }
}

/// On a thread that ends with it.
fn on_its_own(test: impl FnOnce(&Path) + Send + 'static) {
    let run = move || {
        // SAFETY: it changes the namespaces of this thread, which ends with the test.
        unsafe { unshare_unsafe(UnshareFlags::NEWNET | UnshareFlags::NEWNS) }.unwrap();
        let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
        mount_change("/", private).unwrap();
        let directory = tempfile::tempdir().unwrap();
        for (name, text) in
            [("resolv.conf", "nameserver 127.0.0.1\n"), ("nsswitch.conf", "hosts: files dns\n")]
        {
            let ours = directory.path().join(name);
            std::fs::write(&ours, text).unwrap();
            mount_bind(&ours, Path::new("/etc").join(name)).unwrap();
        }
        let up = Command::new("ip").args(["link", "set", "lo", "up"]).status();
        assert!(up.unwrap().success());
        test(directory.path());
    };
    if let Err(panicked) = thread::spawn(run).join() {
        std::panic::resume_unwind(panicked);
    }
}
