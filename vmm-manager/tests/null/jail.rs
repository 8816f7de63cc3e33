//! What is seen of a VMM's confinement from outside.

use std::{collections::BTreeMap, fs, path::Path};

use kiln_vmm_manager::vmm::{Vmm as _, null_guest::Errand};

use crate::stage::{Stage, greeted, within};

const MACHINES: usize = 50;
const AT_ONCE: usize = 10;

fn status(path: &Path) -> BTreeMap<String, String> {
    let text = fs::read_to_string(path.join("status")).unwrap();
    let lines = text.lines().filter_map(|line| line.split_once(':'));
    lines.map(|(name, value)| (name.to_owned(), value.trim().to_owned())).collect()
}

/// How many threads it has, each of them shut in.
fn threads(pid: u32, user: Option<u32>) -> usize {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    tasks
        .map(|task| {
            let status = status(&task.unwrap().path());
            let is = |name: &str, expected: &str| assert_eq!(status[name], expected, "{status:?}");
            is("Seccomp", "2");
            is("NoNewPrivs", "1");
            for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
                is(set, "0000000000000000");
            }
            if let Some(user) = user {
                is("Uid", &[user; 4].map(|user| user.to_string()).join("\t"));
                is("Gid", &[user; 4].map(|user| user.to_string()).join("\t"));
                is("Groups", "");
            }
        })
        .count()
}

pub(crate) async fn every_thread_of_every_vmm_is_shut_in() {
    let stage = Stage::new().await;
    let mut total = 0;
    for _ in 0..MACHINES / AT_ONCE {
        let mut machines = Vec::new();
        for _ in 0..AT_ONCE {
            let spec = stage.spec(Errand::Halt);
            let user = spec.user.as_ref().map(|user| user.id);
            let machine = within(stage.driver.create(spec)).await.unwrap();
            machine.boot().await.unwrap();
            greeted(machine.as_ref()).await;
            machines.push((machine, user));
        }
        for (machine, user) in &machines {
            let pids = machine.processes();
            assert_eq!(pids.len(), 1);
            let threads = threads(pids[0], *user);
            assert!(threads >= 6, "{threads} threads");
            total += threads;
        }
        for (machine, _) in machines {
            machine.kill().await;
        }
    }
    assert!(total >= 6 * MACHINES, "{total} threads");
}
