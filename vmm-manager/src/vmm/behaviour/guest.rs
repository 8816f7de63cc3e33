//! What a guest does to its machine.

use std::time::Duration;

use super::{Misbehaviour, PATIENCE, ended, same};
use crate::{
    guest::{self, Command, ExecEvent, ExecOutput, Guest, GuestError, Hello},
    vmm::{Machine, MachineStatus, SerialTail, VmExit, VmSpec, Vmm, VmmError},
};

/// A machine whose agent was greeted.
pub(super) async fn booted(
    vmm: &dyn Vmm,
    spec: VmSpec,
) -> Result<(Box<dyn Machine>, Guest), Misbehaviour> {
    let machine = vmm.create(spec).await?;
    machine.boot().await?;
    let socket = machine.vsock_socket();
    let connection = guest::connect(socket, PATIENCE, machine.as_ref()).await?;
    let secret = guest::draw_secret()?;
    let hello = Hello { hostname: "behaviour".to_owned(), secret, network: None, limit: PATIENCE };
    let (guest, _) = connection.hello(hello).await?;
    Ok((machine, guest))
}

async fn shell(guest: &Guest, script: &str) -> Result<ExecOutput, GuestError> {
    let path = ("PATH".to_owned(), "/usr/sbin:/usr/bin:/sbin:/bin".to_owned());
    let command = Command {
        env: vec![path],
        ..Command::new(["/bin/sh", "-c", script].map(str::to_owned).to_vec(), PATIENCE)
    };
    guest.exec(command).await.map(|(_, output)| output)
}

pub(super) async fn a_guest_has_the_processors_and_the_memory_that_were_asked(
    vmm: &dyn Vmm,
    spec: VmSpec,
) -> Result<(), Misbehaviour> {
    // More than fits below the hole for devices under 4 GiB.
    const MEBIBYTES: u64 = 5 * 1024;
    let (machine, guest) =
        booted(vmm, VmSpec { cpus: 2, memory_bytes: MEBIBYTES << 20, ..spec }).await?;
    let script = "nproc; while read name kib unit; do [ $name = MemTotal: ] && echo $kib; done < /proc/meminfo";
    let mut output = shell(&guest, script).await?;
    let mut said = Vec::new();
    loop {
        match output.next().await? {
            ExecEvent::Stdout(bytes) => said.extend_from_slice(&bytes),
            ExecEvent::Exited(_) => break,
            _ => {}
        }
    }
    machine.kill().await;
    let said = String::from_utf8_lossy(&said);
    let mut numbers = said.lines().filter_map(|line| line.parse::<u64>().ok());
    same("the number of processors", &numbers.next(), &Some(2))?;
    let kib = numbers.next().unwrap_or_default();
    // The kernel keeps a part for itself, and never sees more than there is.
    let plausible = (MEBIBYTES * 1024 * 9 / 10..=MEBIBYTES * 1024).contains(&kib);
    same(&format!("that {kib} KiB are plausible"), &plausible, &true)
}

pub(super) async fn a_guest_that_powers_itself_off_ends_its_machine(
    vmm: &dyn Vmm,
    spec: VmSpec,
) -> Result<(), Misbehaviour> {
    let (machine, guest) = booted(vmm, spec).await?;
    same("the status", &machine.status().await, &MachineStatus::Running)?;
    guest.shut_down(PATIENCE).await?;
    same("the end", &ended(machine.as_ref()).await?, &VmExit::PoweredOff)?;
    let exited = MachineStatus::Exited(VmExit::PoweredOff);
    same("the status", &machine.status().await, &exited)?;
    match machine.press_power_button().await {
        Err(VmmError::Gone(VmExit::PoweredOff)) => {}
        other => return Err(Misbehaviour::new(format!("its power button gives {other:?}"))),
    }
    // What has ended by itself was not ended by us afterwards.
    same("the end", &machine.kill().await, &VmExit::PoweredOff)
}

pub(super) async fn a_guest_that_panics_ends_its_machine_with_its_last_words(
    vmm: &dyn Vmm,
    spec: VmSpec,
) -> Result<(), Misbehaviour> {
    let (machine, guest) = booted(vmm, spec).await?;
    let panic = "echo 8 > /proc/sys/kernel/printk; echo c > /proc/sysrq-trigger; sleep 100";
    let error = match shell(&guest, panic).await {
        Ok(mut output) => loop {
            match output.next().await {
                Ok(ExecEvent::Exited(exit)) => {
                    return Err(Misbehaviour::new(format!("no panic, but {exit:?}")));
                }
                Ok(_) => {}
                Err(error) => break error,
            }
        },
        Err(error) => error,
    };
    match error.explained_by(machine.as_ref(), PATIENCE).await {
        GuestError::MachineExited { exit: VmExit::Reset, serial, .. }
            if serial.text().contains("Kernel panic") => {}
        other => return Err(Misbehaviour::new(format!("it is explained as {other:?}: {other}"))),
    }
    same("the end", &ended(machine.as_ref()).await?, &VmExit::Reset)
}

pub(super) async fn a_serial_flood_is_bounded(
    vmm: &dyn Vmm,
    spec: VmSpec,
) -> Result<(), Misbehaviour> {
    const KEPT: usize = 64 * 1024;
    let (machine, guest) = booted(vmm, spec).await?;
    let flood = "i=0; while [ $i -lt 4000 ]; do echo $i-flood-flood-flood-flood-flood; \
                 i=$((i+1)); done > /dev/ttyS0; echo the end > /dev/ttyS0";
    let mut output = shell(&guest, flood).await?;
    while !matches!(output.next().await?, ExecEvent::Exited(_)) {}
    let whole = async {
        loop {
            let serial = machine.serial().await;
            if serial.text().ends_with("the end") {
                return serial;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let Ok(SerialTail { bytes, dropped }) = tokio::time::timeout(PATIENCE, whole).await else {
        return Err(Misbehaviour::new("the end of the console is not kept"));
    };
    same("what is kept of the console", &bytes.len(), &KEPT)?;
    same("that bytes were dropped", &(dropped > 50_000), &true)?;
    machine.kill().await;
    Ok(())
}
