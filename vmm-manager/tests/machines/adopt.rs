//! From one daemon's hands into another's.

use std::{fs, time::Duration};

use kiln_vmm_manager::vmm::{
    AdoptError, Reaped, reap,
    supervisor::{End, Found, SupervisedEnd, Supervision},
};
use rustix::process::Signal;
use tokio::time::sleep;

use crate::stage::{
    DRIVER, INSTANCE, Stage, everybody, gone, runs, shell, signal, sleepers, within,
};

pub(crate) async fn adopted(stage: &Stage) -> Supervision {
    match Supervision::adopt(&stage.directory(), INSTANCE, DRIVER).await {
        Ok(Found::Running(machine)) => machine,
        other => panic!("{other:?}"),
    }
}

pub(crate) async fn a_machine_that_was_left_is_adopted() {
    let stage = Stage::new();
    let script = "echo hello; exec sleep 1000";
    let machine =
        stage.create(vec![shell("bridge", "exec sleep 1000"), shell("vmm", script)]).await;
    let processes = everybody(&machine);
    // The shell has said it, whenever it came to that.
    let spoke = async {
        while machine.serial().await.bytes.is_empty() {
            sleep(Duration::from_millis(5)).await;
        }
    };
    within(spoke).await;
    machine.leave();
    for _ in 0..3 {
        let machine = adopted(&stage).await;
        assert_eq!(everybody(&machine), processes);
        assert!(processes.iter().all(|process| runs(*process)));
        assert_eq!((machine.name(), machine.ended()), ("job", None));
        assert_eq!(machine.serial().await.bytes, b"hello\n");
        machine.leave();
    }
    // Two that hold it at once both hear of its end.
    let (one, other) = (adopted(&stage).await, adopted(&stage).await);
    let (killed, heard) = within(async { tokio::join!(one.kill(), other.wait()) }).await;
    assert_eq!(killed, heard);
    assert!(matches!(killed, SupervisedEnd::Ended(exit) if exit.stopping));
    gone(&processes).await;
}

pub(crate) async fn a_machine_that_ended_meanwhile_tells_how() {
    let stage = Stage::new();
    // With its supervisor still there, and without it.
    for dismissed in [false, true] {
        let machine = stage.create(sleepers()).await;
        let processes = everybody(&machine);
        let vmm = machine.pid("vmm").unwrap();
        machine.leave();
        signal(vmm, Signal::TERM);
        gone(&processes[1..]).await;
        if dismissed {
            signal(processes[0].pid, Signal::TERM);
            gone(&processes).await;
        }
        match within(Supervision::adopt(&stage.directory(), INSTANCE, DRIVER)).await {
            Ok(Found::Ended(SupervisedEnd::Ended(exit))) => {
                assert_eq!((exit.first.as_str(), exit.stopping), ("vmm", false));
                assert_eq!(exit.child("vmm").unwrap().end, End::Signal(15));
            }
            other => panic!("{other:?}"),
        }
        gone(&processes).await;
        assert_eq!(reap(&stage.directory(), INSTANCE).await.unwrap(), Reaped::Nothing);
    }
}

pub(crate) async fn a_machine_whose_supervisor_died_is_lost() {
    let stage = Stage::new();
    let machine = stage.create(sleepers()).await;
    let processes = everybody(&machine);
    machine.leave();
    signal(processes[0].pid, Signal::KILL);
    // At once: whoever of its programs has not yet died is ended by this.
    match within(Supervision::adopt(&stage.directory(), INSTANCE, DRIVER)).await {
        Ok(Found::Ended(SupervisedEnd::Lost { killed: false })) => {}
        other => panic!("{other:?}"),
    }
    gone(&processes).await;
}

pub(crate) async fn what_is_not_there_is_not_adopted() {
    let stage = Stage::new();
    let directory = stage.directory();
    for directory in [directory.clone(), "/nonexistent".into()] {
        let found = Supervision::adopt(&directory, INSTANCE, DRIVER).await;
        assert!(matches!(found, Err(AdoptError::Nothing)), "{found:?}");
    }
    let machine = stage.create(sleepers()).await;
    let found = Supervision::adopt(&directory, "deadbeef", DRIVER).await;
    assert!(matches!(found, Err(AdoptError::Foreign { .. })), "{found:?}");
    let found = Supervision::adopt(&directory, INSTANCE, "qemu").await;
    assert!(matches!(found, Err(AdoptError::Foreign { .. })), "{found:?}");
    assert_eq!(machine.ended(), None);
    machine.kill().await;
}

pub(crate) async fn another_release_is_told_apart() {
    let stage = Stage::new();
    let machine = stage.create(sleepers()).await;
    let processes = everybody(&machine);
    let file = stage.directory().join("shim.json");
    let record = fs::read_to_string(&file).unwrap();
    // Of the next minor release: its new fields are not missed.
    fs::write(&file, record.replace("\"minor\":0", "\"minor\":3,\"new\":[1]")).unwrap();
    adopted(&stage).await.leave();
    fs::write(&file, record.replace("\"major\":1", "\"major\":7,\"new\":[1]")).unwrap();
    let found = Supervision::adopt(&stage.directory(), INSTANCE, DRIVER).await;
    assert!(matches!(found, Err(AdoptError::Version { ours: 1, theirs: 7 })), "{found:?}");
    machine.leave();
    // It can be ended all the same.
    assert_eq!(reap(&stage.directory(), INSTANCE).await.unwrap(), Reaped::Ended);
    gone(&processes).await;
}
