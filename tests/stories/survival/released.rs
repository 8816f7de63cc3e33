//! That nothing is left of jobs that have ended, while the daemon lives.

use std::{fs, time::Duration};

use anyhow::Context as _;
use kiln_tests::{Host, until};

const LIMIT: Duration = Duration::from_secs(30);

/// No process, directory or control group of a VM, no socket, and no share of the host's budgets.
pub(super) async fn all_is_released(host: &Host) -> anyhow::Result<()> {
    let mut left = String::new();
    until("all is given back", LIMIT, async || {
        let vms = fs::read_dir(host.home().join("vms"))?.flatten();
        let vms: Vec<_> = vms.map(|entry| entry.file_name()).collect();
        let processes = host.vm_processes()?;
        // The group of the daemon itself may stay for as long as it lives; those of its VMs not.
        let groups: Vec<_> =
            host.cgroups()?.into_iter().filter(|path| host.is_vms_cgroup(path)).collect();
        let in_use = host.client().host().await?.in_use.unwrap_or_default();
        let nothing =
            kiln_proto::v1::Budget { disk_bytes: in_use.disk_bytes, ..Default::default() };
        left = format!("{vms:?} {processes:?} {groups:?} {in_use:?}");
        let clear = vms.is_empty() && processes.is_empty() && groups.is_empty();
        Ok((clear && in_use == nothing).then_some(()))
    })
    .await
    .context(left)
}
