//! How a machine comes to its end by the host's doing, or by somebody else's.

use rustix::process::{Pid, Signal, kill_process};

use super::{Misbehaviour, PATIENCE, ended, guest::booted, same};
use crate::vmm::{StopLimits, VmExit, VmSpec, Vmm, stop};

pub(super) async fn a_machine_is_killed_at_any_moment(
    vmm: &dyn Vmm,
    spec: VmSpec,
) -> Result<(), Misbehaviour> {
    for moment in [0, 1, 50, 500, 2500] {
        let machine = vmm.create(spec.clone()).await?;
        machine.boot().await?;
        tokio::time::sleep(std::time::Duration::from_millis(moment)).await;
        let processes = machine.processes();
        same("the end", &machine.kill().await, &VmExit::Stopped)?;
        gone(&processes)?;
    }
    Ok(())
}

pub(super) async fn a_machine_is_stopped_by_asking_first(
    vmm: &dyn Vmm,
    spec: VmSpec,
) -> Result<(), Misbehaviour> {
    let (machine, _guest) = booted(vmm, spec).await?;
    let processes = machine.processes();
    match stop(machine.as_ref(), StopLimits::default()).await? {
        // Whether a guest listens to its power button is its own affair.
        VmExit::PoweredOff | VmExit::Stopped => gone(&processes),
        other => Err(Misbehaviour::new(format!("it ended as {other:?}"))),
    }
}

pub(super) async fn a_machine_that_is_dropped_is_gone(
    vmm: &dyn Vmm,
    spec: VmSpec,
) -> Result<(), Misbehaviour> {
    let (machine, guest) = booted(vmm, spec).await?;
    let processes = machine.processes();
    drop(machine);
    let vanished = async {
        while gone(&processes).is_err() {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    if tokio::time::timeout(PATIENCE, vanished).await.is_err() {
        return gone(&processes);
    }
    // The connection is of no use any more, and says so.
    guest.shut_down(PATIENCE).await?;
    Ok(())
}

pub(super) async fn a_process_killed_by_somebody_else_is_told_apart(
    vmm: &dyn Vmm,
    spec: VmSpec,
) -> Result<(), Misbehaviour> {
    let count = {
        let machine = vmm.create(spec.clone()).await?;
        let count = machine.processes().len();
        machine.kill().await;
        count
    };
    for index in 0..count {
        let machine = vmm.create(spec.clone()).await?;
        machine.boot().await?;
        let processes = machine.processes();
        let victim = processes.get(index).and_then(|pid| Pid::from_raw((*pid).cast_signed()));
        let Some(victim) = victim else {
            return Err(Misbehaviour::new(format!("{processes:?} is short of a process")));
        };
        kill_process(victim, Signal::KILL)?;
        match (index, ended(machine.as_ref()).await?) {
            (0, VmExit::Killed { signal: 9, .. }) | (1.., VmExit::BridgeLost { .. }) => {}
            (_, other) => return Err(Misbehaviour::new(format!("it ended as {other:?}"))),
        }
        gone(&processes)?;
    }
    Ok(())
}

fn gone(processes: &[u32]) -> Result<(), Misbehaviour> {
    for pid in processes {
        if std::path::Path::new(&format!("/proc/{pid}")).exists() {
            return Err(Misbehaviour::new(format!("process {pid} of the machine is still there")));
        }
    }
    same("that there were processes", &processes.is_empty(), &false)
}
