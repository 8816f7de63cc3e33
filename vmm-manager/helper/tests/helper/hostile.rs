//! What somebody asks who has kilnd's end of the channel.

use std::{
    fs::{self, File},
    io::pipe,
    os::{
        fd::AsFd as _,
        unix::{fs::symlink, process::CommandExt as _},
    },
    process::Command,
};

use kiln_helper::{Answer, MAX_MESSAGE_BYTES, Request, cgroup::CgroupLimits};
use kiln_shim::ProcessIdentity;
use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};

use crate::{
    orders::{bad, good},
    stage::{FIRST, JOB, Stage, is_refused, until},
};

/// The least that are asked.
const REQUESTS: usize = 200;
const LIMITS: CgroupLimits = CgroupLimits { memory_bytes: 64 << 20, pids: 32, cpus: 1 };

/// Names that lead elsewhere.
const NAMES: [&str; 12] =
    ["", ".", "..", "../other", "a/b", "/", "/etc", "a.b", "a b", "a\n", "ä", "memory.max"];

pub(crate) fn requests_are_refused() {
    let stage = Stage::new("7e570101");
    plant(&stage);
    let before = seen(&stage);
    let mut asked = 0;
    for (what, order) in bad(&stage) {
        let (answer, ..) = stage.start(&order);
        assert!(is_refused(&answer), "{what}: {answer:?}");
        asked += 1;
    }
    for name in NAMES.map(str::to_owned) {
        let processes = Vec::new();
        for request in [
            Request::MakeCgroup { job: name.clone(), limits: LIMITS },
            Request::RemoveCgroup { job: name.clone() },
            Request::RemoveFiles { job: name.clone() },
            Request::Kill { job: name, processes },
        ] {
            let answer = stage.ask(&request);
            assert!(is_refused(&answer), "{request:?}: {answer:?}");
            asked += 1;
        }
    }
    asked += wrong_descriptors(&stage);
    assert!(asked >= REQUESTS, "{asked}");
    assert_eq!(seen(&stage), before);
    // It is none the worse for it.
    assert_eq!(stage.ask(&Request::Unlisten {}), Answer::Done {});
}

/// Links where kilnd could put some.
fn plant(stage: &Stage) {
    for link in ["vms/job/link", "vms/job/run/link", "sources/link", "jobs/one/outputs/link"] {
        symlink("/etc/shadow", stage.policy.home.join(link)).unwrap();
    }
}

/// What a request could have changed.
fn seen(stage: &Stage) -> Vec<String> {
    let listed = Command::new("find").arg(stage.root()).args(["-printf", "%p %U %m\\n"]).output();
    let listed = String::from_utf8(listed.unwrap().stdout).unwrap();
    let mut lines: Vec<_> = listed.lines().map(str::to_owned).collect();
    lines.push(Command::new("stat").arg("/etc/shadow").output().map(|o| format!("{o:?}")).unwrap());
    lines
}

fn wrong_descriptors(stage: &Stage) -> usize {
    let order = good(stage);
    let request = Request::StartSupervisor { order: Box::new(order) };
    let (reads, writes) = pipe().unwrap();
    let file = File::open("/etc/passwd").unwrap();
    let directory = File::open("/").unwrap();
    let device = File::open("/dev/null").unwrap();
    let (fifo, other) = (reads.as_fd(), writes.as_fd());
    let (file, directory, device) = (file.as_fd(), directory.as_fd(), device.as_fd());
    let sets = [
        vec![],
        vec![fifo],
        vec![fifo, other, fifo],
        vec![fifo; 4],
        vec![fifo; 5],
        vec![file, other],
        vec![fifo, file],
        vec![directory, other],
        vec![fifo, device],
    ];
    for set in &sets {
        let answer = stage.ask_with(&request, set);
        assert!(is_refused(&answer), "{} descriptors: {answer:?}", set.len());
        let some = if set.is_empty() { vec![fifo] } else { set.clone() };
        let answer = stage.ask_with(&Request::Listen {}, &some);
        assert!(is_refused(&answer), "{answer:?}");
    }
    2 * sets.len()
}

pub(crate) fn noise_is_refused() {
    let stage = Stage::new("7e570102");
    let check = |bytes: &[u8]| {
        let answer = stage.say(bytes);
        assert!(is_refused(&answer), "{}: {answer:?}", bytes.escape_ascii());
    };
    let whole =
        serde_json::to_vec(&Request::StartSupervisor { order: Box::new(good(&stage)) }).unwrap();
    for length in (1..whole.len()).step_by(whole.len() / 100) {
        check(&whole[..length]);
    }
    for text in ["null", "[]", "{}", "0", "\"listen\"", "\"\"", "{\"listen\":{},\"unlisten\":{}}"] {
        check(text.as_bytes());
    }
    for name in ["exec", "Listen", "run", "start", "chown"] {
        check(format!("{{\"{name}\":{{}}}}").as_bytes());
    }
    // A field that is not known has a meaning that would be missed.
    check(br#"{"listen":{"path":"/etc/x"}}"#);
    check(br#"{"remove_files":{"job":"job","follow":true}}"#);
    check(br#"{"remove_files":{"job":"job","job":"other"}}"#);
    check(&b"[".repeat(100_000));
    check(&[0xff; 1000]);
    let answer = stage.shout(&vec![b' '; MAX_MESSAGE_BYTES + 1]);
    assert!(is_refused(&answer), "{answer:?}");
    let mut runner =
        TestRunner::new(Config { cases: 2000, failure_persistence: None, ..Config::default() });
    let altered = (0..whole.len(), any::<u8>(), 0..whole.len());
    // A change of one byte in a request for another job's machine can't make it one for this one.
    let mut foreign = good(&stage);
    "0badcafe".clone_into(&mut foreign.instance);
    let foreign =
        serde_json::to_vec(&Request::StartSupervisor { order: Box::new(foreign) }).unwrap();
    let done = runner.run(&altered, |(at, byte, end)| {
        let mut bytes = foreign.clone();
        let at = at.min(bytes.len() - 1);
        bytes[at] = byte;
        let answer = stage.say(&bytes);
        prop_assert!(is_refused(&answer), "{answer:?}");
        let answer = stage.say(&bytes[..end.clamp(1, bytes.len() - 1)]);
        prop_assert!(is_refused(&answer), "{answer:?}");
        Ok(())
    });
    done.unwrap();
}

pub(crate) fn processes_of_others_are_spared() {
    let stage = Stage::new("7e570103");
    assert!(!is_refused(&stage.ask(&Request::PrepareCgroups {})));
    let mut stranger = Command::new("/bin/sleep").arg("1000").spawn().unwrap();
    let mut ordinary = Command::new("/bin/sleep").arg("1000").uid(65_000).spawn().unwrap();
    // As a program that was shut in has it.
    let mut ours =
        Command::new("/bin/sleep").arg("1000").uid(FIRST + 7).gid(FIRST + 7).spawn().unwrap();
    let kill = |process: ProcessIdentity| {
        stage.ask(&Request::Kill { job: JOB.to_owned(), processes: vec![process] })
    };
    let of = |pid: u32| ProcessIdentity::of(pid).unwrap();
    for pid in [1, std::process::id(), stage.helper.id(), stranger.id(), ordinary.id()] {
        let answer = stage.ask(&Request::OpenEpolls { process: of(pid) });
        assert!(is_refused(&answer), "{pid}: {answer:?}");
        let answer = kill(of(pid));
        assert!(is_refused(&answer), "{pid}: {answer:?}");
    }
    // Its own user may look at it, and so may we.
    assert_eq!(stage.ask(&Request::OpenEpolls { process: of(ours.id()) }), Answer::Done {});
    // Not the process that is meant: somebody else has its number by now.
    let later = ProcessIdentity { start_time: of(ours.id()).start_time + 1, ..of(ours.id()) };
    assert_eq!(kill(later), Answer::Done {});
    for child in [&mut stranger, &mut ordinary, &mut ours] {
        assert!(child.try_wait().unwrap().is_none());
    }
    // With one that is not ours among them, none is touched.
    let processes = vec![of(ours.id()), of(stranger.id())];
    assert!(is_refused(&stage.ask(&Request::Kill { job: JOB.to_owned(), processes })));
    assert!(ours.try_wait().unwrap().is_none());
    assert_eq!(kill(of(ours.id())), Answer::Done {});
    until("ours has ended", || ours.try_wait().unwrap().is_some());
    for mut child in [stranger, ordinary] {
        assert!(child.try_wait().unwrap().is_none());
        child.kill().unwrap();
        until("it has ended", || child.try_wait().unwrap().is_some());
    }
}

pub(crate) fn links_lead_nowhere() {
    let stage = Stage::new("7e570104");
    let remove = || stage.ask(&Request::RemoveFiles { job: JOB.to_owned() });
    let (job, aside) = (stage.job(), stage.root().join("aside"));
    let precious = stage.root().join("precious");
    fs::create_dir(&precious).unwrap();
    fs::write(precious.join("file"), "").unwrap();
    // A link where the directory was, to what is root's and to what is the keeper's.
    fs::rename(&job, &aside).unwrap();
    for target in [&precious, &aside] {
        symlink(target, &job).unwrap();
        assert!(is_refused(&remove()));
        let (answer, ..) = stage.start(&good(&stage));
        assert!(is_refused(&answer), "{answer:?}");
        fs::remove_file(&job).unwrap();
    }
    // A directory that is root's.
    fs::create_dir(&job).unwrap();
    assert!(is_refused(&remove()));
    fs::remove_dir(&job).unwrap();
    // Links within it are removed, and what they lead to is not.
    fs::rename(&aside, &job).unwrap();
    fs::create_dir_all(job.join("run/deep")).unwrap();
    symlink(&precious, job.join("run/deep/link")).unwrap();
    symlink(precious.join("file"), job.join("link")).unwrap();
    assert_eq!(remove(), Answer::Done {});
    assert!(!job.exists() && precious.join("file").exists());
    assert_eq!(remove(), Answer::Done {}, "it is gone already");
}
