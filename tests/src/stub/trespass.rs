//! What a daemon that was taken over would try first.

use std::{
    fs::{self, File, OpenOptions},
    os::unix::fs::chown,
    path::Path,
};

use rustix::{
    fs::{CWD, FileType, Gid, Mode, Uid, makedev, mknodat},
    process::{Pid, chroot, getppid, test_kill_process},
    thread::{
        CapabilitySet, CapabilitySets, set_capabilities, set_thread_gid, set_thread_groups,
        set_thread_uid,
    },
};

/// Tries it all, with the rights of this process; says what was not denied, each on a line. `home`
/// is its own.
pub fn trespass(home: &Path) -> String {
    let root = (Uid::from_raw(0), Gid::from_raw(0));
    let own = home.join("instance");
    let all = CapabilitySet::all();
    let everything = CapabilitySets { effective: all, permitted: all, inheritable: all };
    let above = getppid().map_or(1, Pid::as_raw_pid);
    let opens = |path: &str| File::open(path).is_ok();
    let node = home.join("node");
    let tried = [
        ("reading /etc/shadow", opens("/etc/shadow")),
        ("reading init's environment", opens("/proc/1/environ")),
        ("reading its starter's memory", opens(&format!("/proc/{above}/mem"))),
        ("writing /etc/passwd", OpenOptions::new().append(true).open("/etc/passwd").is_ok()),
        ("making a file in /etc", File::create_new("/etc/kiln-trespass").is_ok()),
        ("making a directory in /usr", fs::create_dir("/usr/kiln-trespass").is_ok()),
        ("signalling init", test_kill_process(Pid::INIT).is_ok()),
        ("signalling its starter", getppid().is_some_and(|pid| test_kill_process(pid).is_ok())),
        ("becoming root", set_thread_uid(root.0).is_ok()),
        ("becoming root's group", set_thread_gid(root.1).is_ok()),
        ("joining root's group", set_thread_groups(&[root.1]).is_ok()),
        ("taking capabilities", set_capabilities(None, everything).is_ok()),
        ("giving a file to root", chown(&own, Some(0), Some(0)).is_ok()),
        ("taking /etc/shadow", chown("/etc/shadow", Some(64_999), None).is_ok()),
        ("changing the root", chroot("/").is_ok()),
        (
            "making the memory's device",
            mknodat(CWD, &node, FileType::CharacterDevice, Mode::RWXU, makedev(1, 1)).is_ok(),
        ),
        ("making a cgroup", fs::create_dir("/sys/fs/cgroup/memory/kiln-trespass").is_ok()),
        ("raising its score", fs::write("/proc/self/oom_score_adj", "-1000").is_ok()),
    ];
    let done = tried.iter().filter(|(_, done)| *done).map(|(what, _)| format!("{what}\n"));
    format!("tried {}\n", tried.len()) + &done.collect::<String>()
}
