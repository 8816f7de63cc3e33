//! What a running machine is given, and what is taken from it.
//!
//! Each change is asked for, then read back: the machine must be what it was asked to be, with the
//! change and nothing else. What it is asked to be is written down for a later daemon.

use std::{
    fs::{OpenOptions, Permissions},
    io,
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    time::Duration,
};

use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use super::{
    asked,
    machine::CloudHypervisorMachine,
    read_back,
    render::{self, BLOCK_BYTES, PLUG},
    start::check_disk,
};
use crate::vmm::{Disk, Network, Size, VmmError};

/// For a guest to let go of a device.
const EJECT_LIMIT: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(20);

/// Memory first, then processors: each is there, or refused and nothing of it is.
pub(super) async fn resize(machine: &CloudHypervisorMachine, size: Size) -> Result<(), VmmError> {
    let Size { cpus, memory_bytes } = size;
    let mut asked = machine.asked.lock().await;
    let number = |value: &Value| value.as_u64().unwrap_or_default();
    let refused = |reason: String| VmmError::Refused { command: "vm.resize", reason };
    let most = number(&asked["cpus"]["max_vcpus"]);
    if cpus == 0 || u64::from(cpus) > most {
        return Err(refused(format!("{cpus} processors are not between 1 and {most}")));
    }
    let before = number(&asked["memory"]["size"]);
    let added = memory_bytes.checked_sub(before);
    if !added.is_some_and(|added| added.is_multiple_of(BLOCK_BYTES)) {
        let reason = format!(
            "{memory_bytes} bytes of memory are not the {before} that it has and a number of \
             blocks of {BLOCK_BYTES}"
        );
        return Err(refused(reason));
    }
    if memory_bytes != before {
        machine.put("vm.resize", Some(&json!({"desired_ram": memory_bytes}))).await?;
        let mut changed = asked.clone();
        changed["memory"]["size"] = memory_bytes.into();
        settle(machine, &mut asked, changed).await?;
    }
    if u64::from(cpus) != number(&asked["cpus"]["boot_vcpus"]) {
        machine.put("vm.resize", Some(&json!({"desired_vcpus": cpus}))).await?;
        let mut changed = asked.clone();
        changed["cpus"]["boot_vcpus"] = cpus.into();
        settle(machine, &mut asked, changed).await?;
    }
    Ok(())
}

pub(super) async fn add_disk(
    machine: &CloudHypervisorMachine,
    disk: &Disk,
) -> Result<(), VmmError> {
    let place = machine.place(PLUG, "vm.add-disk").await?;
    let refused = |reason: String| VmmError::Refused { command: "vm.add-disk", reason };
    if disk.path.parent() != Some(&place) {
        let (path, place) = (disk.path.display(), place.display());
        return Err(refused(format!("{path} is not in {place}, where the VMM may open disks")));
    }
    give(disk).map_err(|source| VmmError::Io { what: "the disk", source })?;
    check_disk(disk)?;
    let mut asked = machine.asked.lock().await;
    let rendered = render::disk(disk);
    machine.put("vm.add-disk", Some(&rendered)).await?;
    let mut changed = asked.clone();
    push(&mut changed["disks"], rendered);
    settle(machine, &mut asked, changed).await
}

/// Lets the VMM's user at it, whoever that is: nobody else comes as far as its directory.
fn give(disk: &Disk) -> io::Result<()> {
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW).open(&disk.path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is no file"));
    }
    let mode = if disk.read_only { 0o644 } else { 0o666 };
    file.set_permissions(Permissions::from_mode(mode))
}

pub(super) async fn add_network(
    machine: &CloudHypervisorMachine,
    network: Network,
) -> Result<(), VmmError> {
    let mut asked = machine.asked.lock().await;
    let rendered = render::network(&network);
    machine.put_with("vm.add-net", &rendered, network.tap).await?;
    let mut changed = asked.clone();
    push(&mut changed["net"], rendered);
    settle(machine, &mut asked, changed).await
}

/// Done when the guest has let go, which one without a driver for it never does.
pub(super) async fn remove_device(
    machine: &CloudHypervisorMachine,
    id: &str,
) -> Result<(), VmmError> {
    let mut asked = machine.asked.lock().await;
    let mut changed = asked.clone();
    let before = changed.clone();
    for devices in ["disks", "net"] {
        if let Some(devices) = changed[devices].as_array_mut() {
            devices.retain(|device| device["id"].as_str() != Some(id));
        }
    }
    if changed == before {
        let reason = format!("there is no {id}");
        return Err(VmmError::Refused { command: "vm.remove-device", reason });
    }
    machine.put("vm.remove-device", Some(&json!({"id": id}))).await?;
    let ejected = async {
        while !machine.get("vm.info").await?["device_tree"][id].is_null() {
            sleep(PAUSE).await;
        }
        Ok(())
    };
    let command = "vm.remove-device";
    let ejected = timeout(EJECT_LIMIT, ejected)
        .await
        .unwrap_or(Err(VmmError::Timeout { command, limit: EJECT_LIMIT }));
    settle(machine, &mut asked, changed).await?;
    ejected
}

fn push(list: &mut Value, element: Value) {
    match list {
        Value::Array(elements) => elements.push(element),
        _ => *list = Value::Array(vec![element]),
    }
}

/// What runs now must be what was asked, with the change.
async fn settle(
    machine: &CloudHypervisorMachine,
    asked: &mut Value,
    changed: Value,
) -> Result<(), VmmError> {
    let info = machine.get("vm.info").await?;
    read_back::config(&changed, &info["config"])?;
    asked::write(machine.supervision.directory(), &changed)
        .map_err(|source| VmmError::Io { what: "the machine's record", source })?;
    *asked = changed;
    Ok(())
}
