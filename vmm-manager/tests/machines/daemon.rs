//! Two daemons as two processes: the first one is killed without a word.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    process::{Command, ExitCode, Stdio},
};

use kiln_vmm_manager::vmm::supervisor::{SupervisedEnd, Supervision};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, waitid};

use crate::{
    adopt::adopted,
    stage::{DRIVER, Stage, everybody, gone, runs, shell, signal, within},
};

pub(crate) const IS_DAEMON: &str = "KILN_TEST_IS_THE_DAEMON";

/// What this program is when it is told to be the first daemon.
pub(crate) async fn run() -> ExitCode {
    let directory = std::env::var_os(IS_DAEMON).unwrap();
    let shim = std::path::Path::new(&directory).with_file_name("kiln-shim");
    let shim = kiln_vmm_manager::vmm::ShimConfig { program: shim };
    let spec = kiln_vmm_manager::vmm::supervisor::SupervisedSpec {
        instance: crate::stage::INSTANCE.to_owned(),
        name: "job".to_owned(),
        driver: DRIVER,
        directory: directory.into(),
        programs: vec![
            shell("bridge", "exec sleep 1000"),
            shell("vmm", "i=0; while :; do echo $i; i=$((i+1)); sleep 0.01; done"),
        ],
        main: "vmm",
        sockets: Vec::new(),
        cgroup: None,
    };
    let _machine = Supervision::create(&shim, spec).await.unwrap();
    std::io::stdout().write_all(b"ready\n").unwrap();
    std::future::pending().await
}

#[expect(clippy::zombie_processes, reason = "it is reaped by its number")]
pub(crate) async fn a_machine_survives_a_daemon_that_is_killed() {
    let stage = Stage::new();
    let mut first = Command::new(std::env::current_exe().unwrap())
        .env(IS_DAEMON, stage.directory())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    BufReader::new(first.stdout.take().unwrap()).read_line(&mut said).unwrap();
    assert_eq!(said, "ready\n");
    signal(first.id(), Signal::KILL);
    let pid = Pid::from_raw(first.id().cast_signed()).unwrap();
    waitid(WaitId::Pid(pid), WaitIdOptions::EXITED).unwrap();

    let machine = adopted(&stage).await;
    let processes = everybody(&machine);
    assert!(processes.iter().all(|process| runs(*process)));
    let count = async |machine: &Supervision| machine.serial().await.text().lines().count();
    let before = count(&machine).await;
    let goes_on = async {
        while count(&machine).await <= before {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    within(goes_on).await;
    let console = machine.serial().await.text();
    let numbers: Vec<usize> = console.lines().map(|line| line.parse().unwrap()).collect();
    assert!(numbers.iter().copied().eq(0..numbers.len()), "{console}");
    assert!(matches!(within(machine.kill()).await, SupervisedEnd::Ended(exit) if exit.stopping));
    gone(&processes).await;
}
