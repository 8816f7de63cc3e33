//! What the helper and the supervisors that it starts may do.

use std::{
    fs,
    io::{Read as _, Write as _},
    os::unix::{fs::MetadataExt as _, net::UnixStream},
};

use kiln_helper::{Answer, Request, cgroup::CgroupLimits};
use kiln_shim::{COMMITTED, Report};
use rustix::process::{Pid, Signal, kill_process};

use crate::{
    orders::unjailed,
    stage::{JOB, KEEPER, Stage, is_refused, status, until},
};

const KILL_ALONE: &str = "0000000000000020";
const NONE: &str = "0000000000000000";

fn four(id: u32) -> String {
    [id; 4].map(|id| id.to_string()).join("\t")
}

fn lives(pid: u32) -> bool {
    !matches!(status(pid, "State").chars().next(), None | Some('Z' | 'X'))
}

/// And with that one the kernel ends its programs when it is killed, though they are another's.
pub(crate) fn a_supervisor_keeps_one() {
    let stage = Stage::new("7e570105");
    let (answer, mut leash, mut report) = stage.start(&unjailed(&stage, &["1000"]));
    assert_eq!(answer, Answer::Done {});
    let mut said = Vec::new();
    report.read_to_end(&mut said).unwrap();
    let Ok(Report::Ready { process, children }) = serde_json::from_slice(&said) else {
        panic!("{}", said.escape_ascii());
    };
    leash.write_all(COMMITTED).unwrap();
    let (shim, program) = (process.pid, children[0].process.pid);
    for (field, expected) in [
        ("Uid", four(KEEPER.uid)),
        ("Gid", four(KEEPER.gid)),
        ("Groups", String::new()),
        ("CapInh", NONE.to_owned()),
        ("CapPrm", KILL_ALONE.to_owned()),
        ("CapEff", KILL_ALONE.to_owned()),
        ("CapBnd", NONE.to_owned()),
        ("CapAmb", NONE.to_owned()),
        ("NoNewPrivs", "1".to_owned()),
    ] {
        assert_eq!(status(shim, field), expected, "{field}");
    }
    assert_eq!(status(program, "Uid"), four(0));
    // Who cannot be looked into has its files in /proc from root.
    assert_eq!(fs::metadata(format!("/proc/{shim}/environ")).unwrap().uid(), 0);
    for file in ["shim.json", "shim.sock", "shim.lock", "shim.log"] {
        let owner = fs::symlink_metadata(stage.job().join(file)).unwrap().uid();
        assert_eq!(owner, KEEPER.uid, "{file}");
    }
    assert!(lives(shim) && lives(program));
    kill_process(Pid::from_raw(shim.cast_signed()).unwrap(), Signal::KILL).unwrap();
    until("its program has ended", || !lives(program));
}

pub(crate) fn the_helper_has_few() {
    let stage = Stage::new("7e570106");
    assert!(!is_refused(&stage.ask(&Request::Unlisten {})));
    let pid = stage.helper.id();
    assert_eq!(status(pid, "NoNewPrivs"), "1");
    assert_eq!(status(pid, "CapInh"), NONE);
    let bounded = u64::from_str_radix(&status(pid, "CapBnd"), 16).unwrap();
    // To load a module, to trace, to administer networks, to go round the kernel, to reboot.
    for never in [12, 16, 17, 19, 22, 25, 39] {
        assert_eq!(bounded & (1 << never), 0, "capability {never}");
    }
    assert_eq!(status(pid, "CapEff"), status(pid, "CapBnd"));
}

pub(crate) fn what_is_asked_in_order_is_done() {
    let stage = Stage::new("7e570107");
    let limits = CgroupLimits { memory_bytes: 64 << 20, pids: 32, cpus: 2 };
    if let Answer::Cgroups { homes } = stage.ask(&Request::PrepareCgroups {}) {
        let made = stage.ask(&Request::MakeCgroup { job: JOB.to_owned(), limits });
        let Answer::Cgroup { directories } = made else { panic!("{made:?}") };
        assert_eq!(directories.len(), homes.len());
        let again = stage.ask(&Request::MakeCgroup { job: JOB.to_owned(), limits });
        assert!(matches!(again, Answer::Failed { errno: libc::EEXIST, .. }), "{again:?}");
        let read = |name: &str| {
            directories.iter().find_map(|path| fs::read_to_string(path.join(name)).ok())
        };
        // Of version 1 or of version 2.
        let quota = read("cpu.cfs_quota_us").or_else(|| read("cpu.max"));
        if let Some(quota) = quota {
            assert!(quota.starts_with("200000"), "{quota}");
        }
        if let Some(shares) = read("cpu.shares") {
            assert_eq!(shares.trim(), "2048");
        }
        // Kilnd may look at them.
        assert!(homes.iter().all(|home| fs::metadata(home).unwrap().mode() & 0o005 == 0o005));
        assert_eq!(stage.ask(&Request::RemoveCgroup { job: JOB.to_owned() }), Answer::Done {});
        assert!(directories.iter().all(|path| !path.exists()));
    }
    assert_eq!(stage.ask(&Request::Listen {}), Answer::Done {});
    let socket = fs::symlink_metadata(&stage.policy.socket).unwrap();
    assert_eq!((socket.uid(), socket.mode() & 0o777), (KEEPER.uid, 0o600));
    assert_eq!(stage.ask(&Request::Unlisten {}), Answer::Done {});
    assert!(UnixStream::connect(&stage.policy.socket).is_err());
    assert!(!stage.policy.socket.exists());
}

pub(crate) fn it_goes_with_kilnd() {
    let mut stage = Stage::new("7e570108");
    assert!(stage.helper.try_wait().unwrap().is_none());
    stage.hang_up();
    until("it has ended", || stage.helper.try_wait().unwrap().is_some());
}
