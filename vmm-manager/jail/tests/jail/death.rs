//! Who ends with whom, and what a program is born with.

use std::{fs, os::fd::AsFd as _, path::PathBuf};

use kiln_jail::Profile;
use rustix::{
    event::{PollFd, PollFlags, poll},
    process::{Signal, pidfd_send_signal},
};

use crate::machine::{Machine, PROFILES, until};

/// The kernel kills a child when the thread that forked it ends, as when a process does.
pub(crate) fn a_program_dies_with_its_supervisor() {
    for profile in PROFILES {
        let machine = Machine::new();
        let program = std::thread::scope(|scope| {
            let start = || {
                let mut program = machine.start(profile, &["threads", "8"]);
                assert_eq!(program.line(), "threads 8\tdone");
                program
            };
            scope.spawn(start).join().unwrap()
        });
        let mut ended = [PollFd::new(&program.pidfd, PollFlags::IN)];
        let patience = rustix::event::Timespec { tv_sec: 30, tv_nsec: 0 };
        assert_eq!(poll(&mut ended, Some(&patience)).unwrap(), 1);
    }
}

/// And a bomb of threads is as large as its cgroup lets it be, and ends with it.
pub(crate) fn a_program_starts_no_others() {
    let Some(cgroup) = Cgroup::new() else {
        println!("not run: no cgroup that counts processes can be made");
        return;
    };
    let machine = Machine::new();
    let jail = machine.jail(Profile::Qemu);
    let mut program =
        machine.launch(&jail, &["threads", "100000"], std::slice::from_ref(&cgroup.0)).unwrap();
    let line = program.line();
    let started: usize =
        line.strip_prefix("threads ").unwrap().strip_suffix("\tdone").unwrap().parse().unwrap();
    assert_eq!(started, 63);
    assert_eq!(kiln_jail::inspect(program.pid).unwrap().len(), 64);
    pidfd_send_signal(program.pidfd.as_fd(), Signal::KILL).unwrap();
    drop(program);
    until(|| fs::read_to_string(cgroup.0.join("cgroup.procs")).unwrap().is_empty());
}

pub(crate) fn descriptors_are_those_that_were_given() {
    // Whatever is open here, on purpose and by other tests.
    let _open: Vec<_> = (0..100).map(|_| fs::File::open("/dev/null").unwrap()).collect();
    for profile in PROFILES {
        let machine = Machine::new();
        assert_eq!(machine.start(profile, &["descriptors"]).finish(), "0 1 2\tdone\n");
    }
}

/// For 64 processes, where the host has its hierarchy.
struct Cgroup(PathBuf);

impl Cgroup {
    fn new() -> Option<Self> {
        for hierarchy in ["/sys/fs/cgroup/pids", "/sys/fs/cgroup"] {
            let path = PathBuf::from(hierarchy).join(format!("kiln-jail-{}", std::process::id()));
            if fs::create_dir(&path).is_err() {
                continue;
            }
            let cgroup = Self(path);
            if fs::write(cgroup.0.join("pids.max"), "64").is_ok() {
                return Some(cgroup);
            }
        }
        None
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        until(|| fs::remove_dir(&self.0).is_ok());
    }
}
