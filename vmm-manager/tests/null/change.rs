//! What a running machine is given and what is taken from it.

use std::{borrow::Cow, fs::File, path::Path};

use kiln_vmm_manager::vmm::{Disk, Size, Vmm as _, VmmError, null_guest::Errand};

use crate::stage::{INSTANCE, Stage, within};

pub(crate) async fn a_machine_is_given_more() {
    let stage = Stage::new().await;
    let machine = stage.booted(Errand::Halt).await;
    let size = |cpus, blocks: u64| Size { cpus, memory_bytes: (64 + 128 * blocks) << 20 };
    machine.resize(size(2, 0)).await.unwrap();
    machine.resize(size(2, 1)).await.unwrap();
    for beyond in [size(3, 1), size(0, 1), size(2, 2), Size { cpus: 2, memory_bytes: 65 << 20 }] {
        let error = machine.resize(beyond).await.unwrap_err();
        assert!(matches!(error, VmmError::Refused { command: "vm.resize", .. }), "{error}");
    }
    machine.kill().await;
}

fn disk(path: &Path, serial: &str, read_only: bool) -> Disk {
    File::create(path).unwrap().set_len(2 << 20).unwrap();
    Disk { serial: Cow::Owned(serial.to_owned()), path: path.to_owned(), read_only }
}

pub(crate) async fn a_disk_is_plugged_in() {
    let stage = Stage::new().await;
    let spec = stage.spec(Errand::Halt);
    let directory = spec.directory.clone();
    let machine = within(stage.driver.create(spec)).await.unwrap();
    machine.boot().await.unwrap();
    let place = directory.join("plug");
    machine.add_disk(disk(&place.join("one"), "one", false)).await.unwrap();
    machine.add_disk(disk(&place.join("two"), "two", true)).await.unwrap();
    let counters = machine.counters().await.unwrap();
    assert!(counters.contains_key("two.read_ops"), "{counters:?}");
    // Elsewhere, twice, and one that is not there.
    let elsewhere = machine.add_disk(disk(&directory.join("three"), "three", false)).await;
    assert!(matches!(elsewhere, Err(VmmError::Refused { .. })), "{elsewhere:?}");
    let twice = machine.add_disk(disk(&place.join("four"), "one", false)).await;
    assert!(matches!(twice, Err(VmmError::Refused { .. })), "{twice:?}");
    std::os::unix::fs::symlink("/etc/passwd", place.join("link")).unwrap();
    let link = Disk { serial: "link".into(), path: place.join("link"), read_only: true };
    let link = machine.add_disk(link).await;
    assert!(matches!(link, Err(VmmError::Io { .. })), "{link:?}");
    // The next daemon finds the machine as it was changed.
    machine.leave();
    let machine = within(stage.driver.adopt(&directory, INSTANCE)).await.unwrap();
    machine.kill().await;
}

pub(crate) async fn what_was_added_before_boot_is_taken_out_again() {
    let stage = Stage::new().await;
    let spec = stage.spec(Errand::Halt);
    let directory = spec.directory.clone();
    let machine = within(stage.driver.create(spec)).await.unwrap();
    let one = disk(&directory.join("plug/one"), "one", false);
    machine.add_disk(one).await.unwrap();
    machine.remove_device("one").await.unwrap();
    let error = machine.remove_device("one").await.unwrap_err();
    assert!(matches!(error, VmmError::Refused { command: "vm.remove-device", .. }), "{error}");
    machine.boot().await.unwrap();
    let counters = machine.counters().await.unwrap();
    assert!(!counters.contains_key("one.read_ops"), "{counters:?}");
    machine.kill().await;
}
