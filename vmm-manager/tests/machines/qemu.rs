//! QEMU's machines, as far as no agent of a guest has to be spoken to: the stories do that.

mod confined;
mod faults;
mod networked;
mod raw;

use std::{
    ffi::OsString,
    fs::{self, File},
    path::PathBuf,
    time::Duration,
};

use kiln_images::GuestImage;
use kiln_jail::JailUser;
use kiln_vmm_manager::{
    disk::{self, Disks},
    host::cgroup::CgroupLimits,
    vmm::{
        Accelerator, AdoptError, Disk, Machine, MachineStatus, Qemu, QemuConfig, Reaped, VmExit,
        VmSpec, Vmm, VmmError, behaviour::BEHAVIOURS, reap,
    },
};
use rustix::process::Signal;

use crate::{
    cgroup::cgroups,
    stage::{Stage, gone, signal, within},
};

pub(crate) use self::{
    confined::every_thread_of_fifty_machines_is_confined,
    faults::a_machine_other_than_asked_is_not_made,
    networked::{
        a_machine_of_qemu_has_a_gateway, a_machine_of_qemu_without_its_gateway_is_not_made,
        a_network_is_the_helpers_to_give,
    },
    raw::whatever_a_disk_holds_it_is_raw,
};

const IMAGE: &str = "KILN_GUEST_IMAGE";
const BRIDGE: &str = "KILN_VHOST_DEVICE_VSOCK";
/// A home of their own.
const INSTANCE: &str = "7e570008";
/// Nobody else's; QEMU is tested as root.
const USER: JailUser = JailUser { id: 1_900_000_007, keeper: 0 };
const MEMORY_BYTES: u64 = 256 << 20;
/// Without a guest's agent.
const OURS: [&str; 5] = [
    "a_created_machine_holds_still",
    "a_machine_boots_once",
    "a_machine_that_cannot_be_made_is_an_error",
    "a_machine_is_killed_at_any_moment",
    "a_process_killed_by_somebody_else_is_told_apart",
];

/// Whether there is what they need.
pub(crate) fn is_ready() -> bool {
    [IMAGE, BRIDGE].iter().all(|name| std::env::var_os(name).is_some())
}

fn variable(name: &str) -> OsString {
    std::env::var_os(name).unwrap()
}

async fn qemu(stage: &Stage) -> Qemu {
    let config = QemuConfig {
        qemu: "qemu-system-x86_64".into(),
        vhost_device_vsock: variable(BRIDGE).into(),
        shim: stage.shim.clone(),
        accelerator: Accelerator::Tcg,
    };
    Qemu::probe(config).await.unwrap()
}

async fn spec(stage: &Stage) -> VmSpec {
    let image = GuestImage::open(PathBuf::from(variable(IMAGE)).as_path()).unwrap();
    let scratch = stage.directory().join("scratch");
    let disks = Disks::only(scratch.clone());
    File::create(&scratch).and_then(|file| file.set_len(64 << 20)).unwrap();
    disks.format().await.unwrap();
    let disk =
        |serial: &'static str, path, read_only| Disk { serial: serial.into(), path, read_only };
    VmSpec {
        name: "job".to_owned(),
        instance: INSTANCE.to_owned(),
        cid: 7,
        user: Some(USER),
        cgroup: None,
        directory: stage.directory(),
        cpus: 1,
        memory_bytes: MEMORY_BYTES,
        kernel: image.kernel.path,
        initramfs: image.initramfs.path,
        command_line: image.command_line,
        network: None,
        disks: vec![
            disk(disk::ROOT_SERIAL, image.root.path, true),
            disk(disk::SCRATCH_SERIAL, scratch, false),
        ],
    }
}

fn processes(machine: &dyn Machine) -> Vec<kiln_shim::ProcessIdentity> {
    let pids = machine.processes();
    assert_eq!(pids.len(), 2);
    pids.into_iter().map(|pid| kiln_shim::ProcessIdentity::of(pid).unwrap()).collect()
}

pub(crate) async fn machines_of_qemu_behave() {
    let stage = Stage::new();
    let qemu = qemu(&stage).await;
    let spec = spec(&stage).await;
    let ours = BEHAVIOURS.iter().filter(|behaviour| OURS.contains(&behaviour.name));
    assert_eq!(ours.clone().count(), OURS.len());
    for behaviour in ours {
        if let Err(misbehaviour) = (behaviour.check)(&qemu, spec.clone()).await {
            panic!("{}: {misbehaviour}", behaviour.name);
        }
    }
}

pub(crate) async fn a_machine_of_qemu_is_adopted() {
    let stage = Stage::new();
    let qemu = qemu(&stage).await;
    let cgroups = cgroups(INSTANCE).expect("QEMU is tested as root");
    let limits = CgroupLimits::for_machine(MEMORY_BYTES, qemu.overhead_bytes(), 1);
    let cgroup = cgroups.create("qemu", limits).unwrap();
    let spec = VmSpec { cgroup: Some(cgroup.clone()), ..spec(&stage).await };
    let directory = stage.directory();

    let machine = qemu.create(spec.clone()).await.unwrap();
    let members = processes(machine.as_ref());
    machine.leave();
    let machine = qemu.adopt(&directory, INSTANCE).await.unwrap();
    assert_eq!(machine.status().await, MachineStatus::Created);
    machine.boot().await.unwrap();
    within(machine.vsock_attached()).await;
    let console = machine.serial().await;
    machine.leave();

    let machine = qemu.adopt(&directory, INSTANCE).await.unwrap();
    assert_eq!(processes(machine.as_ref()), members);
    assert_eq!(machine.status().await, MachineStatus::Running);
    assert!(matches!(machine.boot().await, Err(VmmError::Refused { .. })));
    within(machine.vsock_attached()).await;
    assert!(machine.serial().await.bytes.starts_with(&console.bytes));
    let usage = machine.usage().unwrap();
    assert!(usage.memory_peak_bytes > 32 << 20 && usage.cpu_time > Duration::from_millis(100));
    // Asked to end while nobody of us is there: it is known that it was us.
    machine.shut_down().await.unwrap();
    assert_eq!(within(machine.wait()).await, VmExit::Stopped);
    gone(&members).await;
    drop(machine);
    assert!(matches!(
        qemu.adopt(&directory, INSTANCE).await,
        Err(AdoptError::Ended(VmExit::Stopped))
    ));

    // Its end is known though no daemon saw it.
    for (victim, signalled) in [(0, Signal::KILL), (1, Signal::KILL), (0, Signal::TERM)] {
        let machine = qemu.create(spec.clone()).await.unwrap();
        machine.boot().await.unwrap();
        let members = processes(machine.as_ref());
        machine.leave();
        signal(members[victim].pid, signalled);
        gone(&members).await;
        let error = within(qemu.adopt(&directory, INSTANCE)).await.err().unwrap();
        match (victim, signalled, &error) {
            (0, Signal::KILL, AdoptError::Ended(VmExit::Killed { signal: 9, .. }))
            | (1, _, AdoptError::Ended(VmExit::BridgeLost { .. }))
            | (0, Signal::TERM, AdoptError::Ended(VmExit::Failed { code: 0, .. })) => {}
            _ => panic!("{error:?}"),
        }
    }
    // One that is not wanted is ended.
    let machine = qemu.create(spec).await.unwrap();
    machine.boot().await.unwrap();
    let members = processes(machine.as_ref());
    machine.leave();
    assert_eq!(reap(&directory, INSTANCE).await.unwrap(), Reaped::Ended);
    gone(&members).await;
    assert!(fs::exists(directory.join("exit.json")).unwrap());
    cgroup.remove(Duration::from_secs(10)).await.unwrap();
    cgroups.release();
}
