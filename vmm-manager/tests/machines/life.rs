//! A machine's life in the hands of one daemon.

use std::time::{Duration, Instant};

use kiln_vmm_manager::vmm::{
    ShimConfig, VmmError,
    supervisor::{End, SupervisedEnd, Supervision},
};
use rustix::process::Signal;

use crate::stage::{Stage, everybody, gone, runs, shell, signal, sleepers, until, within};

fn killed(end: &SupervisedEnd) {
    match end {
        SupervisedEnd::Ended(exit) => {
            assert!(exit.stopping, "{exit:?}");
            assert!(exit.children.iter().all(|child| child.end == End::Signal(9)), "{exit:?}");
        }
        SupervisedEnd::Lost { .. } => panic!("{end:?}"),
    }
}

pub(crate) async fn a_machine_is_created_and_killed() {
    let stage = Stage::new();
    let machine = stage.create(sleepers()).await;
    let processes = everybody(&machine);
    assert_eq!(processes.len(), 3);
    assert!(processes.iter().all(|process| runs(*process)));
    assert_eq!(machine.pid("vmm"), Some(machine.children()[1].process.pid));
    assert_eq!(machine.ended(), None);
    let (early, end) = within(async { tokio::join!(machine.wait(), machine.kill()) }).await;
    killed(&end);
    assert_eq!(early, end);
    assert_eq!(within(machine.kill()).await, end);
    // The supervisor has been told that it is done.
    gone(&processes).await;
}

pub(crate) async fn a_machine_that_is_dropped_is_gone() {
    let stage = Stage::new();
    let machine = stage.create(sleepers()).await;
    let processes = everybody(&machine);
    drop(machine);
    gone(&processes).await;
}

pub(crate) async fn a_start_that_is_given_up_leaves_nothing() {
    let stage = Stage::new();
    for millis in [0, 1, 2, 3, 5, 8, 12, 20, 30] {
        let limit = Duration::from_millis(millis);
        let create = Supervision::create(&stage.shim, stage.spec(sleepers(), None));
        let created = tokio::time::timeout(limit, create).await;
        drop(created);
        // Whoever was started holds the directory; the next one gets it when they are gone.
        let machine = stage.create(sleepers()).await;
        killed(&within(machine.kill()).await);
    }
}

pub(crate) async fn a_start_that_fails_says_why() {
    let stage = Stage::new();
    let mut absent = sleepers();
    absent[1].path = "/nonexistent/vmm".into();
    let error = Supervision::create(&stage.shim, stage.spec(absent, None)).await.unwrap_err();
    assert!(matches!(&error, VmmError::Spawn { program, .. } if program == "/nonexistent/vmm"));
    let mut nowhere = stage.spec(sleepers(), None);
    nowhere.directory = "/nonexistent/directory".into();
    let error = Supervision::create(&stage.shim, nowhere).await.unwrap_err();
    assert!(error.to_string().contains("No such file"), "{error}");
    let mut deep = stage.spec(sleepers(), None);
    deep.directory = deep.directory.join("d".repeat(107));
    let error = Supervision::create(&stage.shim, deep).await.unwrap_err();
    assert!(matches!(error, VmmError::SocketPath { .. }), "{error}");
    let mut nobody = stage.spec(sleepers(), None);
    nobody.main = "nobody";
    let error = Supervision::create(&stage.shim, nobody).await.unwrap_err();
    assert!(matches!(error, VmmError::Refused { .. }), "{error}");
    for program in ["/nonexistent/shim", "/bin/true", "/bin/echo"] {
        let shim = ShimConfig { program: program.into() };
        let error = Supervision::create(&shim, stage.spec(sleepers(), None)).await;
        let error = error.err().unwrap();
        assert!(error.to_string().contains(program), "{error}");
        if program != "/nonexistent/shim" {
            assert!(error.to_string().contains("without a word"), "{error}");
        }
    }
    let machine = stage.create(sleepers()).await;
    killed(&machine.kill().await);
}

pub(crate) async fn a_supervisor_that_is_killed_takes_its_machine_with_it() {
    let stage = Stage::new();
    for _ in 0..5 {
        let machine = stage.create(sleepers()).await;
        let processes = everybody(&machine);
        let begin = Instant::now();
        signal(machine.supervisor_pid(), Signal::KILL);
        assert_eq!(within(machine.wait()).await, SupervisedEnd::Lost { killed: false });
        assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
        gone(&processes).await;
        assert_eq!(machine.serial().await.bytes, b"");
    }
}

pub(crate) async fn a_supervisor_that_is_stopped_is_killed() {
    let stage = Stage::new();
    let machine = stage.create(sleepers()).await;
    let processes = everybody(&machine);
    signal(machine.supervisor_pid(), Signal::STOP);
    assert_eq!(within(machine.kill()).await, SupervisedEnd::Lost { killed: true });
    gone(&processes).await;
    // The same for one that nobody waits for.
    let machine = stage.create(sleepers()).await;
    let processes = everybody(&machine);
    signal(machine.supervisor_pid(), Signal::STOP);
    drop(machine);
    gone(&processes).await;
}

pub(crate) async fn a_machine_ends_with_its_true_cause() {
    let stage = Stage::new();
    let sleep = "exec sleep 1000";
    for (vmm, bridge, first, end) in [
        ("exit 0", sleep, "vmm", End::Code(0)),
        ("exit 7", sleep, "vmm", End::Code(7)),
        ("kill -9 $$", sleep, "vmm", End::Signal(9)),
        (sleep, "kill -9 $$", "bridge", End::Signal(9)),
        (sleep, "exit 2", "bridge", End::Code(2)),
    ] {
        let machine = stage.create(vec![shell("bridge", bridge), shell("vmm", vmm)]).await;
        let processes = everybody_but(&machine);
        match within(machine.wait()).await {
            SupervisedEnd::Ended(exit) => {
                assert_eq!((exit.first.as_str(), exit.stopping), (first, false));
                assert_eq!(exit.child(first).unwrap().end, end);
            }
            SupervisedEnd::Lost { .. } => panic!("lost: {vmm}, {bridge}"),
        }
        gone(&processes).await;
    }
}

/// The programs; the supervisor may be gone already.
fn everybody_but(machine: &Supervision) -> Vec<kiln_shim::ProcessIdentity> {
    machine.children().iter().map(|child| child.process).collect()
}

pub(crate) async fn the_console_is_kept_to_the_end() {
    let stage = Stage::new();
    let script = "echo one; read x < go; echo two; exit 0";
    std::process::Command::new("mkfifo").arg(stage.directory().join("go")).status().unwrap();
    let machine =
        stage.create(vec![shell("bridge", "exec sleep 1000"), shell("vmm", script)]).await;
    let heard = async {
        while machine.serial().await.bytes != b"one\n" {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    within(heard).await;
    std::fs::write(stage.directory().join("go"), "go\n").unwrap();
    within(machine.wait()).await;
    until(|| (!runs_at(machine.supervisor_pid())).then_some(())).await;
    assert_eq!(machine.serial().await.bytes, b"one\ntwo\n");
}

fn runs_at(pid: u32) -> bool {
    kiln_shim::ProcessIdentity::of(pid).is_ok_and(runs)
}

pub(crate) async fn machines_follow_each_other_in_one_directory() {
    let stage = Stage::new();
    for _ in 0..10 {
        // Dropped, and the next one does not wait for its end to be told.
        drop(stage.create(sleepers()).await);
    }
    let machine = stage.create(vec![shell("bridge", "exit 1"), shell("vmm", "exec sleep 9")]).await;
    assert!(
        matches!(within(machine.wait()).await, SupervisedEnd::Ended(exit) if exit.first == "bridge")
    );
    let machine = stage.create(sleepers()).await;
    killed(&machine.kill().await);
}
