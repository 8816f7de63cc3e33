//! What a VMM is held in, as the kernel says it of each of its threads.

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::Context as _;
use kiln_tests::{Stage, Story, stories};

pub(crate) fn stories() -> Vec<Story> {
    stories![every_thread_of_a_vmm_is_held.only_nested()]
}

async fn every_thread_of_a_vmm_is_held(stage: &Stage) -> anyhow::Result<()> {
    let host = stage.host().start().await?;
    let job = host.sleeping_job().await?;
    let vmm = &stage.settings().vmm;
    let processes = host.vm_processes()?;
    let is_vmm = |command: &str| {
        let program = command.split_whitespace().next().unwrap_or_default();
        program.rsplit('/').next() == Some(vmm.as_str())
    };
    let process = processes.iter().find(|process| is_vmm(&process.command));
    let process = process.with_context(|| format!("no {vmm} among {processes:?}"))?;
    let proc = Path::new("/proc").join(process.id.to_string());
    let mut threads = 0;
    for task in fs::read_dir(proc.join("task"))? {
        let status = status(&task?.path())?;
        assert_eq!((&*status["NoNewPrivs"], &*status["Seccomp"]), ("1", "2"), "{status:?}");
        for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
            assert_eq!(u64::from_str_radix(&status[set], 16)?, 0, "{set}: {status:?}");
        }
        let user: Vec<u32> = numbers(&status["Uid"])?;
        assert!(user.iter().all(|id| *id >= 1_900_000_000 && *id == user[0]), "{user:?}");
        assert_eq!(numbers(&status["Gid"])?, user, "{status:?}");
        threads += 1;
    }
    assert!(threads > 3, "{threads} threads");
    for kind in ["mnt", "net", "ipc", "uts", "pid"] {
        let of = |proc: &Path| fs::read_link(proc.join("ns").join(kind));
        assert_ne!(of(&proc)?, of(Path::new("/proc/self"))?, "the {kind} namespace is ours");
    }
    // Its root holds what it needs, and of others' nothing.
    let root = proc.join("root");
    let is_there = |path: &Path| fs::symlink_metadata(path).is_ok();
    for path in ["etc/shadow", "root", "proc/1", "home", "run/kiln"] {
        assert!(!is_there(&root.join(path)), "/{path} is in its root");
    }
    let home = host.home().strip_prefix("/")?;
    assert!(is_there(&root.join(home).join("vms").join(&job.id)), "its own directory is not");
    for path in ["store", "lock", "instance", "jobs"] {
        assert!(!is_there(&root.join(home).join(path)), "the home's {path} is in its root");
    }
    let cancelled = host.kiln(["job", "cancel", &job.id]).run().await?;
    assert_eq!(cancelled.code, Some(0), "{cancelled}");
    host.vms_are_gone().await?;
    host.stop().await
}

fn status(task: &Path) -> anyhow::Result<BTreeMap<String, String>> {
    let text = fs::read_to_string(task.join("status"))?;
    let field = |line: &str| {
        let (name, value) = line.split_once(':')?;
        Some((name.to_owned(), value.trim().to_owned()))
    };
    Ok(text.lines().filter_map(field).collect())
}

fn numbers(text: &str) -> anyhow::Result<Vec<u32>> {
    Ok(text.split_whitespace().map(str::parse).collect::<Result<_, _>>()?)
}
