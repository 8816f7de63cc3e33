//! What machines and supervisors that died left under our names.

use std::{
    fs,
    os::unix::{fs::symlink, net::UnixListener},
    path::Path,
    process::Command,
};

use kiln_vmm_manager::vmm::{
    Reaped, reap,
    supervisor::{Found, SupervisedEnd, Supervision},
};

use crate::stage::{DRIVER, INSTANCE, Stage, exists, sleepers, within};

const NAMES: [&str; 8] = [
    "shim.sock",
    "shim.json",
    "exit.json",
    "shim.lock",
    "shim.log",
    "shim.new",
    "exit.new",
    "vsock.sock",
];
const RECORDS: [&str; 2] = ["shim.json", "exit.json"];
const KINDS: [&str; 6] = ["dead socket", "file", "dangling link", "link", "directory", "fifo"];

fn leave(kind: &str, path: &Path, precious: &Path) {
    match kind {
        "dead socket" => drop(UnixListener::bind(path).unwrap()),
        "file" => fs::write(path, "something").unwrap(),
        "dangling link" => symlink("/nonexistent/kiln", path).unwrap(),
        "link" => symlink(precious, path).unwrap(),
        "directory" => fs::create_dir(path).unwrap(),
        "fifo" => assert!(Command::new("mkfifo").arg(path).status().unwrap().success()),
        other => panic!("{other}"),
    }
}

/// Looked at, reaped, and built upon.
async fn check(stage: &Stage, what: &str) {
    let directory = stage.directory();
    match within(Supervision::adopt(&directory, INSTANCE, DRIVER)).await {
        Ok(Found::Running(machine)) => panic!("{what}: {machine:?}"),
        Ok(Found::Ended(_)) | Err(_) => {}
    }
    assert_eq!(within(reap(&directory, INSTANCE)).await.unwrap(), Reaped::Nothing, "{what}");
    let machine = Supervision::create(&stage.shim, stage.spec(sleepers(), None)).await;
    let machine = machine.unwrap_or_else(|error| panic!("{what}: {error}: {error:?}"));
    assert!(!exists(&directory.join("vsock.sock")), "{what}");
    match within(machine.kill()).await {
        SupervisedEnd::Ended(exit) => assert!(exit.stopping, "{what}: {exit:?}"),
        SupervisedEnd::Lost { .. } => panic!("{what}: lost"),
    }
}

pub(crate) async fn what_is_left_by_the_dead_is_no_obstacle() {
    let mut cases = 0;
    for name in NAMES {
        for kind in KINDS {
            let stage = Stage::new();
            let precious = stage.directory().with_file_name("precious");
            fs::write(&precious, "precious").unwrap();
            leave(kind, &stage.directory().join(name), &precious);
            check(&stage, &format!("a {kind} at {name}")).await;
            assert_eq!(fs::read_to_string(&precious).unwrap(), "precious", "{kind} at {name}");
            cases += 1;
        }
    }
    // The true files of a machine that is gone, whole and half-written.
    let stage = Stage::new();
    let machine = stage.create(sleepers()).await;
    machine.kill().await;
    let directory = stage.directory();
    for name in RECORDS {
        let text = fs::read(directory.join(name)).unwrap();
        for part in [0, 1, text.len() / 2, text.len() - 1, text.len()] {
            for other in NAMES.iter().filter(|other| !RECORDS.contains(other)) {
                let _ = fs::remove_file(directory.join(other));
            }
            fs::write(directory.join(name), &text[..part]).unwrap();
            leave("dead socket", &directory.join("shim.sock"), Path::new(""));
            check(&stage, &format!("{part} bytes of {name}")).await;
            cases += 1;
        }
    }
    assert!(cases >= 50);
}
