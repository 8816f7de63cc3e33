//! A cgroup as a VM gets one: made with limits that are read back, and removed.

use std::{fs, path::Path, time::Duration};

use crate::{
    doctor::report::{Area, Check},
    host::cgroup::{Cgroup, CgroupLimits, Cgroups},
    vmm::described,
};

const NAME: &str = "cgroups";
const JOB: &str = "doctor";
const MEND: &str = "mount cgroups with memory and pids, and run as root; without them a VM is \
                    limited by its own size alone";
const LIMIT: Duration = Duration::from_secs(10);

/// Below those of `instance`, whose owner removes what a killed doctor leaves.
pub(super) async fn check(instance: &str) -> Check {
    let cgroups = match Cgroups::detect(instance) {
        Ok(cgroups) => cgroups,
        Err(reason) => {
            return Check::warning(Area::Isolation, NAME, reason.to_string()).mend(MEND);
        }
    };
    let check = try_out(&cgroups).await;
    cgroups.release();
    check
}

async fn try_out(cgroups: &Cgroups) -> Check {
    let (area, missing) = (Area::Isolation, cgroups.missing());
    let cgroup = match cgroups.create(JOB, CgroupLimits::for_machine(64 << 20, 0, 1)) {
        Ok(cgroup) => cgroup,
        Err(error) => return Check::warning(area, NAME, described(&error)).mend(MEND),
    };
    let found = described_by(&cgroup);
    if let Err(error) = cgroup.remove(LIMIT).await {
        return Check::warning(area, NAME, described(&error)).mend("see who is in it");
    }
    if missing.is_empty() {
        return Check::ok(area, NAME, format!("{found}: limits hold"));
    }
    let words = missing.join(" and ");
    Check::warning(area, NAME, format!("{found}: memory and processes are limited, {words} not"))
        .mend("use cgroup version 2 with the cpu and io controllers: a VM can slow its neighbours")
}

fn described_by(cgroup: &Cgroup) -> String {
    let hierarchy = |directory: &Path| {
        let root = directory.parent()?.parent()?;
        let unified = fs::read_to_string(root.join("cgroup.controllers"));
        match unified {
            Ok(controllers) => Some(format!("version 2 ({})", controllers.trim())),
            Err(_) => Some(root.file_name()?.to_string_lossy().into_owned()),
        }
    };
    let names: Vec<_> =
        cgroup.directories().iter().filter_map(|directory| hierarchy(directory)).collect();
    match names.as_slice() {
        [unified] if unified.starts_with("version 2") => unified.clone(),
        names => format!("version 1 ({})", names.join(", ")),
    }
}
