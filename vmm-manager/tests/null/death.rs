//! Processes of a machine that are killed, at any moment.

use std::path::{Path, PathBuf};

use kiln_shim::ProcessIdentity;
use kiln_vmm_manager::vmm::{
    AdoptError, Machine, MachineStatus, Reaped, VmExit, VmSpec, Vmm as _, VmmError,
    null_guest::Errand, reap,
};
use rustix::process::{Pid, Signal, kill_process};

use crate::stage::{INSTANCE, Stage, everybody, gone, greeted, within};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Victim {
    Vmm,
    Supervisor,
    Both,
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Created,
    Booting,
    Booted,
    Greeted,
    Paused,
    Resumed,
    Changed,
    Pressed,
    Left,
}

const STEPS: [Step; 9] = [
    Step::Created,
    Step::Booting,
    Step::Booted,
    Step::Greeted,
    Step::Paused,
    Step::Resumed,
    Step::Changed,
    Step::Pressed,
    Step::Left,
];

fn kill(process: ProcessIdentity) {
    let _gone = kill_process(Pid::from_raw(process.pid.cast_signed()).unwrap(), Signal::KILL);
}

fn strike(victim: Victim, everybody: &[ProcessIdentity]) {
    let (supervisor, vmm) = (everybody[0], everybody[1]);
    match victim {
        Victim::Vmm => kill(vmm),
        Victim::Supervisor => kill(supervisor),
        Victim::Both => [vmm, supervisor].map(kill).into_iter().collect(),
    }
}

/// A machine that has come so far.
async fn at(stage: &Stage, spec: &VmSpec, step: Step) -> Box<dyn Machine> {
    let machine = within(stage.driver.create(spec.clone())).await.unwrap();
    if matches!(step, Step::Created | Step::Booting) {
        return machine;
    }
    machine.boot().await.unwrap();
    match step {
        Step::Created | Step::Booting | Step::Booted => {}
        Step::Greeted | Step::Left => greeted(machine.as_ref()).await,
        Step::Paused => machine.pause().await.unwrap(),
        Step::Resumed => {
            machine.pause().await.unwrap();
            machine.resume().await.unwrap();
        }
        Step::Changed => {
            let memory_bytes = spec.memory_bytes + (128 << 20);
            let size = kiln_vmm_manager::vmm::Size { cpus: 2, memory_bytes };
            machine.resize(size).await.unwrap();
        }
        Step::Pressed => machine.press_power_button().await.unwrap(),
    }
    machine
}

fn sockets(directory: &Path) -> [PathBuf; 3] {
    ["shim.sock", "api.sock", "run/vsock.sock"].map(|name| directory.join(name))
}

pub(crate) async fn whoever_is_killed_the_machine_ends_and_says_so() {
    let stage = Stage::new().await;
    for step in STEPS {
        for victim in [Victim::Vmm, Victim::Supervisor, Victim::Both] {
            let spec = stage.spec(Errand::Spin);
            let machine = at(&stage, &spec, step).await;
            let everybody = everybody(&spec.directory);
            if matches!(step, Step::Left) {
                machine.leave();
                strike(victim, &everybody);
                let adopted = within(stage.driver.adopt(&spec.directory, INSTANCE)).await;
                match adopted {
                    Err(AdoptError::Ended(exit)) => told(victim, &exit, step),
                    // It was quicker than the kernel.
                    Ok(machine) => told(victim, &within(machine.wait()).await, step),
                    Err(other) => panic!("{step:?}, {victim:?}: {other}"),
                }
            } else {
                if matches!(step, Step::Booting) {
                    let (booted, ()) =
                        tokio::join!(machine.boot(), async { strike(victim, &everybody) });
                    let gone = matches!(booted, Ok(()) | Err(VmmError::Gone(_)));
                    assert!(gone, "{step:?}, {victim:?}: {booted:?}");
                } else {
                    strike(victim, &everybody);
                }
                let exit = within(machine.wait()).await;
                told(victim, &exit, step);
                assert_eq!(machine.status().await, MachineStatus::Exited(exit.clone()));
                assert_eq!(machine.kill().await, exit);
                let error = machine.pause().await.unwrap_err();
                assert!(matches!(error, VmmError::Gone(_)), "{step:?}, {victim:?}: {error}");
            }
            gone(&everybody).await;
            // What they left is no obstacle: the same place is used again.
            let reaped = reap(&spec.directory, INSTANCE).await.unwrap();
            assert_eq!(reaped, Reaped::Nothing, "{step:?}, {victim:?}");
            let machine = within(stage.driver.create(spec.clone())).await.unwrap();
            machine.boot().await.unwrap();
            greeted(machine.as_ref()).await;
            assert!(sockets(&spec.directory).iter().all(|socket| socket.exists()));
            machine.kill().await;
        }
    }
}

fn told(victim: Victim, exit: &VmExit, step: Step) {
    let killed = matches!(exit, VmExit::Killed { signal: 9, .. });
    let lost = matches!(exit, VmExit::SupervisorLost);
    let honest = match victim {
        Victim::Vmm => killed,
        Victim::Supervisor => lost,
        // Whichever was seen first.
        Victim::Both => killed || lost,
    };
    assert!(honest, "{step:?}, {victim:?}: {exit}");
}

pub(crate) async fn a_machine_of_a_daemon_that_died_is_ended() {
    let stage = Stage::new().await;
    let spec = stage.spec(Errand::Spin);
    let machine = at(&stage, &spec, Step::Greeted).await;
    let everybody = everybody(&spec.directory);
    machine.leave();
    assert_eq!(reap(&spec.directory, "feedf00d").await.unwrap(), Reaped::NotOurs);
    assert!(everybody.iter().all(|process| crate::stage::runs(*process)));
    assert_eq!(reap(&spec.directory, INSTANCE).await.unwrap(), Reaped::Ended);
    gone(&everybody).await;
}

pub(crate) async fn a_machine_that_ended_meanwhile_tells_how() {
    let stage = Stage::new().await;
    for (errand, expected) in
        [(Errand::PowerOff, VmExit::PoweredOff), (Errand::Reset, VmExit::Reset)]
    {
        let spec = stage.spec(errand);
        let machine = within(stage.driver.create(spec.clone())).await.unwrap();
        let everybody = everybody(&spec.directory);
        // Nobody is there to hear it but its supervisor.
        let _ended_before_the_answer = machine.boot().await;
        machine.leave();
        gone(&everybody[1..]).await;
        match within(stage.driver.adopt(&spec.directory, INSTANCE)).await {
            Err(AdoptError::Ended(exit)) => assert_eq!(exit, expected),
            other => panic!("{errand:?}: {other:?}"),
        }
    }
}

pub(crate) async fn what_does_not_fit_its_record_is_not_adopted() {
    let stage = Stage::new().await;
    let spec = stage.spec(Errand::Spin);
    let machine = at(&stage, &spec, Step::Greeted).await;
    machine.leave();
    let record = spec.directory.join("asked.json");
    let whole = std::fs::read_to_string(&record).unwrap();
    for (changed, what) in [
        (whole.replace("\"nested\":false", "\"nested\":true"), "cpus.nested"),
        (whole.replace("kiln-scratch.img", "other.img"), "disks.1.path"),
    ] {
        std::fs::write(&record, changed).unwrap();
        match within(stage.driver.adopt(&spec.directory, INSTANCE)).await {
            Err(AdoptError::Foreign { what: said }) => assert!(said.contains(what), "{said}"),
            other => panic!("{what}: {other:?}"),
        }
    }
    std::fs::write(&record, &whole[..whole.len() / 2]).unwrap();
    let garbled = within(stage.driver.adopt(&spec.directory, INSTANCE)).await;
    assert!(matches!(garbled, Err(AdoptError::Io { .. })), "{garbled:?}");
    std::fs::write(&record, whole).unwrap();
    let machine = within(stage.driver.adopt(&spec.directory, INSTANCE)).await.unwrap();
    assert_eq!(machine.status().await, MachineStatus::Running);
    machine.kill().await;
}
