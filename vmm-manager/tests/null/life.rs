//! From a spec to the machine's end.

use std::time::Duration;

use kiln_vmm_manager::vmm::{
    Disk, MachineStatus, StopLimits, VmExit, VmSpec, Vmm as _, VmmError, null_guest::Errand, stop,
};
use tokio::time::sleep;

use crate::stage::{Stage, everybody, gone, within};

async fn ends(errand: Errand, expected: VmExit) {
    let stage = Stage::new().await;
    let spec = stage.spec(errand);
    let directory = spec.directory.clone();
    let machine = within(stage.driver.create(spec)).await.unwrap();
    let everybody = everybody(&directory);
    match machine.boot().await {
        // It may have ended before the answer was given.
        Ok(()) | Err(VmmError::Gone(_)) => {}
        Err(error) => panic!("booting it gives {error}"),
    }
    assert_eq!(within(machine.wait()).await, expected);
    assert_eq!(machine.status().await, MachineStatus::Exited(expected.clone()));
    let serial = machine.serial().await.text();
    assert_eq!(serial, "null guest", "and nothing of a second boot");
    gone(&everybody).await;
    match machine.press_power_button().await {
        Err(VmmError::Gone(exit)) => assert_eq!(exit, expected),
        other => panic!("its power button gives {other:?}"),
    }
    // What has ended by itself was not ended by us afterwards.
    assert_eq!(machine.kill().await, expected);
}

pub(crate) async fn a_guest_that_powers_itself_off_ends_its_machine() {
    ends(Errand::PowerOff, VmExit::PoweredOff).await;
}

pub(crate) async fn a_guest_that_resets_itself_ends_its_machine() {
    for _ in 0..10 {
        ends(Errand::Reset, VmExit::Reset).await;
    }
}

pub(crate) async fn a_guest_that_does_not_listen_is_ended_all_the_same() {
    let stage = Stage::new().await;
    for errand in [Errand::Halt, Errand::Spin, Errand::Tick] {
        let limits = StopLimits { power_button: Duration::from_millis(200), ..Default::default() };
        let machine = stage.booted(errand).await;
        machine.press_power_button().await.unwrap();
        assert_eq!(machine.status().await, MachineStatus::Running);
        assert_eq!(within(stop(machine.as_ref(), limits)).await.unwrap(), VmExit::Stopped);
        let machine = stage.booted(errand).await;
        machine.shut_down().await.unwrap();
        assert_eq!(within(machine.wait()).await, VmExit::Stopped);
        let machine = stage.booted(errand).await;
        assert_eq!(within(machine.kill()).await, VmExit::Stopped);
    }
}

pub(crate) async fn a_created_machine_holds_still() {
    let stage = Stage::new().await;
    let machine = stage.create(Errand::PowerOff).await;
    sleep(Duration::from_millis(300)).await;
    assert_eq!(machine.status().await, MachineStatus::Created);
    assert_eq!(machine.serial().await.bytes.len(), 0);
    let (early, killed) = tokio::join!(machine.wait(), machine.kill());
    assert_eq!((early, killed), (VmExit::Stopped, VmExit::Stopped));
    match machine.boot().await {
        Err(VmmError::Gone(VmExit::Stopped)) => {}
        other => panic!("booting it then gives {other:?}"),
    }
}

pub(crate) async fn a_machine_boots_once() {
    let stage = Stage::new().await;
    let machine = stage.booted(Errand::Spin).await;
    let error = machine.boot().await.unwrap_err();
    assert!(matches!(error, VmmError::Refused { .. }), "{error}");
    assert_eq!(machine.status().await, MachineStatus::Running);
    machine.kill().await;
}

pub(crate) async fn a_machine_that_cannot_be_made_is_an_error() {
    let stage = Stage::new().await;
    let spec = stage.spec(Errand::PowerOff);
    let absent = std::path::PathBuf::from("/nonexistent/kiln");
    let mut without_disk = spec.clone();
    without_disk.disks.push(Disk {
        serial: "absent".into(),
        path: absent.clone(),
        read_only: true,
    });
    let mut twice = spec.clone();
    twice.disks[1].serial = "kiln-root".into();
    let without_kernel = VmSpec { kernel: absent.clone(), ..spec.clone() };
    let with_a_device = VmSpec { initramfs: "/dev/zero".into(), ..spec.clone() };
    let too_deep = VmSpec { directory: spec.directory.join("d".repeat(107)), ..spec.clone() };
    let nowhere = VmSpec { directory: absent, ..spec.clone() };
    for broken in [without_disk, without_kernel, with_a_device, too_deep, nowhere] {
        let error = within(stage.driver.create(broken)).await.unwrap_err();
        assert!(!error.to_string().is_empty());
    }
    // What it finds out at boot alone is an error of that.
    let nothing = stage.path("nothing");
    std::fs::write(&nothing, [0; 512]).unwrap();
    let no_kernel = VmSpec { kernel: nothing, ..spec.clone() };
    for broken in [twice, no_kernel] {
        let machine = within(stage.driver.create(broken)).await.unwrap();
        let error = within(machine.boot()).await.unwrap_err();
        assert!(matches!(error, VmmError::Refused { command: "vm.boot", .. }), "{error}");
        machine.kill().await;
    }
    // What the failures left in the directory is in nobody's way.
    within(stage.driver.create(spec)).await.unwrap().kill().await;
}

pub(crate) async fn a_machine_that_is_dropped_is_gone() {
    let stage = Stage::new().await;
    for millis in [0, 1, 2, 3, 5, 8, 12, 20, 30] {
        let spec = stage.spec(Errand::Spin);
        let directory = spec.directory.clone();
        let limit = Duration::from_millis(millis);
        drop(tokio::time::timeout(limit, stage.driver.create(spec.clone())).await);
        // Whoever was started holds the directory; the next one gets it when they are gone.
        let machine = within(stage.driver.create(spec)).await.unwrap();
        machine.boot().await.unwrap();
        let everybody = everybody(&directory);
        drop(machine);
        gone(&everybody).await;
    }
}

pub(crate) async fn a_paused_guest_does_nothing() {
    let stage = Stage::new().await;
    let machine = stage.booted(Errand::Tick).await;
    let said = async || machine.serial().await.bytes.len();
    for _ in 0..3 {
        machine.pause().await.unwrap();
        assert_eq!(machine.status().await, MachineStatus::Stalled("paused".to_owned()));
        let before = said().await;
        sleep(Duration::from_millis(300)).await;
        assert_eq!(said().await, before);
        machine.resume().await.unwrap();
        assert_eq!(machine.status().await, MachineStatus::Running);
        crate::stage::until(async || said().await > before).await;
    }
    assert!(matches!(machine.resume().await, Err(VmmError::Refused { .. })));
    machine.kill().await;
}

pub(crate) async fn devices_are_counted() {
    let stage = Stage::new().await;
    let machine = stage.booted(Errand::Halt).await;
    let counters = machine.counters().await.unwrap();
    for counter in ["kiln-root.read_bytes", "kiln-scratch.write_ops"] {
        assert_eq!(counters.get(counter), Some(&0), "{counters:?}");
    }
    machine.kill().await;
}
