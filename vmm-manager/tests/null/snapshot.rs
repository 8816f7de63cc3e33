//! A machine's state in files, and machines that are made of it.

use std::{fs, time::Duration};

use kiln_vmm_manager::vmm::{MachineStatus, Vmm as _, VmmError, null_guest::Errand};
use tokio::time::sleep;

use crate::stage::{INSTANCE, Stage, until, within};

pub(crate) async fn a_machine_goes_on_where_it_was_held() {
    let stage = Stage::new().await;
    let machine = stage.booted(Errand::Tick).await;
    let kept = stage.path("kept");
    fs::create_dir(&kept).unwrap();
    // Only what holds still.
    let error = machine.snapshot(&kept).await.unwrap_err();
    assert!(matches!(error, VmmError::Refused { command: "vm.snapshot", .. }), "{error}");
    machine.pause().await.unwrap();
    machine.snapshot(&kept).await.unwrap();
    machine.resume().await.unwrap();
    assert_eq!(machine.status().await, MachineStatus::Running);
    // Three of one, beside the one that it was taken of.
    let mut clones = Vec::new();
    for _ in 0..3 {
        let spec = stage.spec(Errand::Tick);
        let directory = spec.directory.clone();
        let clone = within(stage.driver.restore(spec, &kept)).await.unwrap();
        assert_eq!(clone.status().await, MachineStatus::Stalled("paused".to_owned()));
        assert!(matches!(clone.boot().await, Err(VmmError::Refused { .. })));
        sleep(Duration::from_millis(100)).await;
        assert_eq!(clone.serial().await.text(), "");
        clone.resume().await.unwrap();
        until(async || clone.serial().await.bytes.len() > 10).await;
        // It goes on: nobody greets twice.
        let serial = clone.serial().await.text();
        assert!(serial.chars().all(|character| character == '.'), "{serial}");
        assert!(directory.join("run/vsock.sock").exists());
        clones.push((directory, clone));
    }
    for (directory, clone) in clones {
        clone.leave();
        let clone = within(stage.driver.adopt(&directory, INSTANCE)).await.unwrap();
        assert_eq!(clone.status().await, MachineStatus::Running);
        clone.kill().await;
    }
    machine.kill().await;
}

pub(crate) async fn a_snapshot_is_only_what_it_was_asked_for() {
    let stage = Stage::new().await;
    let machine = stage.booted(Errand::Tick).await;
    let kept = stage.path("kept");
    fs::create_dir(&kept).unwrap();
    machine.pause().await.unwrap();
    machine.snapshot(&kept).await.unwrap();
    machine.kill().await;
    let names: std::collections::BTreeSet<_> = fs::read_dir(&kept)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let expected = ["config.json", "memory-ranges", "state.json"].map(str::to_owned);
    assert_eq!(names, expected.into());
    // The configuration beside it has no say, also when it is somebody's that was taken over.
    fs::write(kept.join("config.json"), "{\"disks\": [{\"path\": \"/etc/shadow\"}]}").unwrap();
    let spec = stage.spec(Errand::Tick);
    within(stage.driver.restore(spec, &kept)).await.unwrap().kill().await;
    // What is altered, cut, a link or not there is an error.
    let state = fs::read(kept.join("state.json")).unwrap();
    let faults: [&dyn Fn(); 4] = [
        &|| fs::write(kept.join("state.json"), &state[..state.len() / 2]).unwrap(),
        &|| fs::write(kept.join("state.json"), "").unwrap(),
        &|| {
            fs::remove_file(kept.join("state.json")).unwrap();
            std::os::unix::fs::symlink("/etc/shadow", kept.join("state.json")).unwrap();
        },
        &|| fs::remove_file(kept.join("state.json")).unwrap(),
    ];
    for fault in faults {
        fault();
        let error = within(stage.driver.restore(stage.spec(Errand::Tick), &kept)).await;
        assert!(matches!(error, Err(VmmError::Refused { .. } | VmmError::Io { .. })), "{error:?}");
    }
}
