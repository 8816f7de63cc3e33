//! `kiln host`: who serves, and what it has to give.

use std::fmt::Write;

use crate::{
    args::HostArguments,
    daemon::Daemon,
    display::{printable, size},
    output,
    record::{Budget, Host, Jail},
};

pub(crate) async fn run(daemon: &Daemon, arguments: HostArguments) -> anyhow::Result<u8> {
    let host = daemon.host().await?;
    if arguments.json {
        output::print_json(&host)?;
    } else {
        output::print(table(&host).as_bytes())?;
    }
    Ok(0)
}

fn table(host: &Host) -> String {
    let Host {
        version,
        instance,
        vmm,
        vmm_version,
        accelerator,
        jail,
        total,
        in_use,
        queued,
        running,
        draining,
    } = host;
    let mut table = String::new();
    let mut line = |name: &str, value: &str| {
        // Writing to a string cannot fail.
        let _ = writeln!(table, "{name:<13}{}", printable(value));
    };
    line("kilnd", version);
    line("Instance", instance);
    line("Machines", &format!("{vmm} {vmm_version}, {accelerator}"));
    line("Jail", &Jail::described(jail.as_ref()));
    line("Jobs", &format!("{running} running, {queued} queued"));
    if *draining {
        line("Draining", "it takes no new jobs: it is about to stop");
    }
    let Budget { cpus, memory_bytes, disk_bytes, vms } = total;
    line("CPUs", &format!("{} of {cpus} in use", in_use.cpus));
    line("Memory", &format!("{} of {} in use", size(in_use.memory_bytes), size(*memory_bytes)));
    line("Disk", &format!("{} of {} in use", size(in_use.disk_bytes), size(*disk_bytes)));
    line("VMs", &format!("{} of {vms} in use", in_use.vms));
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_shown() {
        let budget = |cpus, gib: u64, vms| Budget {
            cpus,
            memory_bytes: gib << 30,
            disk_bytes: gib << 34,
            vms,
        };
        let host = Host {
            version: "0.1.0".to_owned(),
            instance: "k7\x1b[2J".to_owned(),
            vmm: "qemu".to_owned(),
            vmm_version: "7.2".to_owned(),
            accelerator: "tcg".to_owned(),
            jail: Some(Jail { full: true, missing: Vec::new() }),
            total: budget(8, 16, 64),
            in_use: budget(2, 1, 2),
            queued: 3,
            running: 2,
            draining: true,
        };
        let expected = "\
kilnd        0.1.0
Instance     k7\\u{1b}[2J
Machines     qemu 7.2, tcg
Jail         full
Jobs         2 running, 3 queued
Draining     it takes no new jobs: it is about to stop
CPUs         2 of 8 in use
Memory       1 GiB of 16 GiB in use
Disk         16 GiB of 256 GiB in use
VMs          2 of 64 in use
";
        assert_eq!(table(&host), expected);
    }
}
