//! Jails that cannot be.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use kiln_jail::{Access, Jail, JailPath, LaunchFailure, Profile};

use crate::machine::{KEEPER, Machine};

fn check(change: impl FnOnce(&Machine, &mut Jail), expected: &str) {
    let machine = Machine::new();
    let mut jail = machine.jail(Profile::CloudHypervisor);
    change(&machine, &mut jail);
    let failure = machine.start_in(&jail, &["sleep"]).err().expect(expected);
    let shown = machine.directory().display().to_string();
    assert_eq!(failure.to_string().replace(&shown, "VM"), expected, "{failure:?}");
}

pub(crate) fn what_cannot_be_in_a_jail_is_named() {
    let add = |jail: &mut Jail, path: &Path, access| {
        jail.paths.push(JailPath { path: path.to_owned(), access });
    };
    let cases: [(&str, Access, &str); 9] = [
        ("/nonexistent/kernel", Access::Read, "it is not there"),
        ("/nonexistent/kernel", Access::Execute, "it is not there"),
        ("/dev/nonexistent-kvm", Access::Device, "it is not there"),
        ("/usr/bin", Access::Read, "it is not a regular file"),
        ("/etc/hostname", Access::Device, "it is not a character device"),
        ("/etc/hostname", Access::Write, "it is not below the machine's directory VM"),
        ("/run/kiln-test", Access::Sockets, "it is not below the machine's directory VM"),
        ("etc/hostname", Access::Read, "it is not absolute, or goes back on itself"),
        ("/etc/../etc/hostname", Access::Read, "it is not absolute, or goes back on itself"),
    ];
    for (path, access, expected) in cases {
        let path = PathBuf::from(path);
        let expected = format!("{} cannot be in its jail: {expected}", path.display());
        check(|_, jail| add(jail, &path, access), &expected);
    }
    check(
        |machine, jail| add(jail, &machine.path("disk"), Access::Read),
        "VM/disk cannot be in its jail: it is named twice",
    );
    check(
        |machine, jail| add(jail, &machine.path("run/a"), Access::Write),
        "VM/run/a cannot be in its jail: it is below VM/run, which is there as well",
    );
    check(
        |machine, jail| add(jail, &machine.path("absent"), Access::Write),
        "VM/absent cannot be in its jail: it is not there",
    );
    check(
        |machine, _| {
            fs::set_permissions(machine.path("kernel"), fs::Permissions::from_mode(0o600)).unwrap();
        },
        "VM/kernel cannot be in its jail: users other than its owner cannot read it; \
         allow it with `chmod o+r`",
    );
}

pub(crate) fn a_step_that_fails_is_named() {
    let own = std::env::current_exe().unwrap();
    check(
        |_, jail| jail.paths.retain(|given| given.path != own),
        &format!("{} cannot be executed; it, or its loader, is not there", own.display()),
    );
    check(
        |_, jail| {
            let program = jail.paths.iter_mut().find(|given| given.path == own).unwrap();
            program.access = Access::Read;
        },
        &format!(
            "{} cannot be executed; it, or its loader, is not executable for everybody",
            own.display()
        ),
    );
    for id in [0, u32::MAX, KEEPER] {
        check(
            |_, jail| jail.user.as_mut().unwrap().id = id,
            &format!("the user {id} cannot be its own"),
        );
    }
    let machine = Machine::new();
    let jail = machine.jail(Profile::Qemu);
    let cgroup = PathBuf::from("/sys/fs/cgroup/nonexistent");
    let failure = machine.launch(&jail, &["sleep"], std::slice::from_ref(&cgroup)).err().unwrap();
    assert_eq!(failure, LaunchFailure::Cgroup { directory: cgroup, errno: libc::ENOENT });
}
