//! From a spec to a guest that runs.

use std::path::PathBuf;

use super::{Misbehaviour, ended, same};
use crate::vmm::{MachineStatus, VmExit, VmSpec, Vmm, VmmError};

pub(super) async fn a_created_machine_holds_still(
    vmm: &dyn Vmm,
    spec: VmSpec,
) -> Result<(), Misbehaviour> {
    let machine = vmm.create(spec).await?;
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    same("the status", &machine.status().await, &MachineStatus::Created)?;
    same("the console", &machine.serial().await.bytes.len(), &0)?;
    let early = machine.wait();
    let killed = machine.kill();
    let (early, killed) = tokio::join!(early, killed);
    same("the end for one who waited", &early, &VmExit::Stopped)?;
    same("the end for one who killed", &killed, &VmExit::Stopped)?;
    same("the end for one who asks later", &ended(machine.as_ref()).await?, &VmExit::Stopped)?;
    same("the status", &machine.status().await, &MachineStatus::Exited(VmExit::Stopped))?;
    match machine.boot().await {
        Err(VmmError::Gone(VmExit::Stopped)) => Ok(()),
        other => Err(Misbehaviour::new(format!("booting it then gives {other:?}"))),
    }
}

pub(super) async fn a_machine_boots_once(vmm: &dyn Vmm, spec: VmSpec) -> Result<(), Misbehaviour> {
    let machine = vmm.create(spec).await?;
    machine.boot().await?;
    same("the status", &machine.status().await, &MachineStatus::Running)?;
    match machine.boot().await {
        Err(VmmError::Refused { .. }) => {}
        other => return Err(Misbehaviour::new(format!("booting twice gives {other:?}"))),
    }
    same("the status", &machine.status().await, &MachineStatus::Running)?;
    machine.kill().await;
    Ok(())
}

pub(super) async fn a_machine_that_cannot_be_made_is_an_error(
    vmm: &dyn Vmm,
    spec: VmSpec,
) -> Result<(), Misbehaviour> {
    let absent = PathBuf::from("/nonexistent/kiln");
    let mut without_disk = spec.clone();
    if let Some(disk) = without_disk.disks.first_mut() {
        disk.path.clone_from(&absent);
    }
    let without_kernel = VmSpec { kernel: absent.clone(), ..spec.clone() };
    let too_deep = VmSpec { directory: spec.directory.join("d".repeat(107)), ..spec.clone() };
    let nowhere = VmSpec { directory: absent, ..spec.clone() };
    for broken in [without_disk, without_kernel, too_deep, nowhere] {
        if let Ok(machine) = vmm.create(broken.clone()).await {
            machine.kill().await;
            return Err(Misbehaviour::new(format!("a machine was made of {broken:?}")));
        }
    }
    // What the failures left in the directory is in nobody's way.
    vmm.create(spec).await?.kill().await;
    Ok(())
}
