//! What a daemon is told to do to itself at one of its points: `KILN_FAULT=POINT#N`.

use std::{
    env, fs,
    path::Path,
    sync::atomic::{AtomicUsize, Ordering},
};

use anyhow::Context as _;
use kiln_vmm_manager::fault::{Point, install};
use rustix::process::{Pid, Signal, getpid, kill_process};

use serde_json::Value;

use crate::host::FAULT_NOTE;

/// In the environment, beside the point.
pub(crate) const VICTIMS: &str = "KILN_FAULT_VICTIMS";

/// Who dies there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Victims {
    Daemon,
    /// Of its VMs.
    Supervisors,
    Both,
}

impl Victims {
    const ALL: [Self; 3] = [Self::Daemon, Self::Supervisors, Self::Both];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Daemon => "daemon",
            Self::Supervisors => "supervisors",
            Self::Both => "both",
        }
    }
}

/// Nothing happens where the environment says nothing.
pub fn arm(home: &Path) -> anyhow::Result<()> {
    let Ok(fault) = env::var("KILN_FAULT") else { return Ok(()) };
    let (name, count) = fault.split_once('#').unwrap_or((&fault, "1"));
    let count: usize = count.parse().with_context(|| format!("KILN_FAULT={fault}"))?;
    let point = Point::ALL.iter().find(|point| point.name() == name);
    let point = *point.with_context(|| format!("there is no point {name}"))?;
    let victims = match env::var(VICTIMS) {
        Err(_) => Victims::Daemon,
        Ok(name) => {
            let named = Victims::ALL.into_iter().find(|victims| victims.name() == name);
            named.with_context(|| format!("{VICTIMS}={name}"))?
        }
    };
    let (home, met) = (home.to_owned(), AtomicUsize::new(0));
    let hook = move |now| {
        if now == point && met.fetch_add(1, Ordering::Relaxed) + 1 == count {
            strike(&home, victims);
        }
    };
    anyhow::ensure!(install(hook), "somebody else waits at the points");
    Ok(())
}

fn strike(home: &Path, victims: Victims) {
    if victims != Victims::Daemon {
        kill_supervisors(home);
    }
    // The story waits for it; a daemon that cannot say so is seen not to have met its fault.
    let _ = fs::write(home.with_extension(FAULT_NOTE), "");
    if victims != Victims::Supervisors {
        let _ = kill_process(getpid(), Signal::KILL);
        // The signal is on its way: nothing more is done.
        loop {
            std::thread::park();
        }
    }
}

/// Those of this home's VMs, as they say who they are: kilnd may look at no process but its own.
fn kill_supervisors(home: &Path) {
    for vm in fs::read_dir(home.join("vms")).into_iter().flatten().flatten() {
        let record = fs::read(vm.path().join("shim.json")).unwrap_or_default();
        let record: Value = serde_json::from_slice(&record).unwrap_or_default();
        let id = record["process"]["pid"].as_i64().and_then(|id| i32::try_from(id).ok());
        if let Some(id) = id.and_then(Pid::from_raw) {
            let _ = kill_process(id, Signal::KILL);
        }
    }
}
