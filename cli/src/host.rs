//! `kiln host`: who serves, and what it has to give.

use std::fmt::Write;

use crate::{
    args::HostArguments,
    daemon::Daemon,
    display::{printable, size},
    output,
    record::{Budget, GuestLink, Host, HostNetwork, Jail, Registry},
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
        network,
        no_network,
        registry,
        no_registry,
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
    match network {
        Some(network) => lines_of_network(network, &mut line),
        None => {
            let why = no_network.as_deref().unwrap_or("jobs run without");
            line("Network", &format!("none: {why}"));
        }
    }
    match registry {
        Some(registry) => lines_of_registry(registry, &mut line),
        None => {
            let why = no_registry.as_deref().unwrap_or("images come from outside alone");
            line("Registry", &format!("none: {why}"));
        }
    }
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

fn lines_of_network(network: &HostNetwork, line: &mut impl FnMut(&str, &str)) {
    let HostNetwork { ceiling, endpoints, pools, leases, link, link6, resolvers, troubles } =
        network;
    let endpoints = match &endpoints[..] {
        [] => String::new(),
        endpoints => format!(", endpoints {}", endpoints.join(" ")),
    };
    line("Network", &format!("up to {}{endpoints}", ceiling.described()));
    line("Leases", &format!("{leases} in use of {}", pools.join(" ")));
    if let Some(link) = link {
        line("Guest link", &described(link));
    }
    line("IPv6", &link6.as_ref().map_or("off".to_owned(), described));
    let resolvers = match &resolvers[..] {
        [] => "none".to_owned(),
        resolvers => resolvers.join(" "),
    };
    line("Resolvers", &resolvers);
    for trouble in troubles {
        line("Trouble", trouble);
    }
}

fn lines_of_registry(registry: &Registry, line: &mut impl FnMut(&str, &str)) {
    let Registry { address, guest_address, stored_bytes, offline, troubles, .. } = registry;
    let offline = if *offline { ", offline" } else { "" };
    let guests = guest_address.as_ref().map(|guests| format!(", for guests {guests}"));
    let address = address.as_deref().unwrap_or("not for clients on this host");
    let (guests, stored) = (guests.unwrap_or_default(), size(*stored_bytes));
    line("Registry", &format!("{address}{guests}, {stored} stored{offline}"));
    for trouble in troubles {
        line("Trouble", trouble);
    }
}

fn described(GuestLink { gateway, guest }: &GuestLink) -> String {
    format!("guest {guest}, gateway {gateway}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Egress, EgressMode};

    #[test]
    fn a_host_is_shown() {
        let host = host();
        let expected = "\
kilnd        0.1.0
Instance     k7\\u{1b}[2J
Machines     qemu 7.2, tcg
Jail         full
Network      up to internet, endpoints cache.kiln:80
Leases       3 in use of 198.18.0.0/16 2001:db8:1::/64
Guest link   guest 198.19.255.254, gateway 198.19.255.253
IPv6         guest 2001:db8::2, gateway 2001:db8::1
Resolvers    192.0.2.53:53 [2001:db8::53]:53
Trouble      the host has a route to 198.18.0.0/24 by \\u{1b}eth0
Trouble      another
Registry     127.0.0.1:35000, for guests registry.kiln:5000, 3 GiB stored, offline
Trouble      its disk is full
Jobs         2 running, 3 queued
Draining     it takes no new jobs: it is about to stop
CPUs         2 of 8 in use
Memory       1 GiB of 16 GiB in use
Disk         16 GiB of 256 GiB in use
VMs          2 of 64 in use
";
        assert_eq!(table(&host), expected);
    }

    #[test]
    fn what_networks_lack_is_shown() {
        let network = HostNetwork {
            pools: vec!["198.18.0.0/16".to_owned()],
            link: Some(link("198.19.255.253", "198.19.255.254")),
            ..HostNetwork::default()
        };
        let without = |network, why: Option<&str>| {
            let host = Host { network, no_network: why.map(str::to_owned), ..host() };
            let table = table(&host);
            let lines = table.lines().skip_while(|line| !line.starts_with("Network"));
            let lines = lines.take_while(|line| !line.starts_with("Registry"));
            lines.collect::<Vec<_>>().join("\n")
        };
        let expected = "\
Network      up to none
Leases       0 in use of 198.18.0.0/16
Guest link   guest 198.19.255.254, gateway 198.19.255.253
IPv6         off
Resolvers    none";
        assert_eq!(without(Some(network), None), expected);
        let expected = "Network      none: kilnd runs with --no-network";
        assert_eq!(without(None, Some("kilnd runs with --no-network")), expected);
        assert_eq!(without(None, None), "Network      none: jobs run without");
    }

    fn link(gateway: &str, guest: &str) -> GuestLink {
        GuestLink { gateway: gateway.to_owned(), guest: guest.to_owned() }
    }

    fn host() -> Host {
        let budget = |cpus, gib: u64, vms| Budget {
            cpus,
            memory_bytes: gib << 30,
            disk_bytes: gib << 34,
            vms,
        };
        Host {
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
            network: Some(HostNetwork {
                ceiling: Egress { mode: EgressMode::Internet, rules: Vec::new() },
                endpoints: vec!["cache.kiln:80".to_owned()],
                pools: vec!["198.18.0.0/16".to_owned(), "2001:db8:1::/64".to_owned()],
                leases: 3,
                link: Some(link("198.19.255.253", "198.19.255.254")),
                link6: Some(link("2001:db8::1", "2001:db8::2")),
                resolvers: vec!["192.0.2.53:53".to_owned(), "[2001:db8::53]:53".to_owned()],
                troubles: vec![
                    "the host has a route to 198.18.0.0/24 by \u{1b}eth0".to_owned(),
                    "another".to_owned(),
                ],
            }),
            no_network: None,
            registry: Some(Registry {
                address: Some("127.0.0.1:35000".to_owned()),
                guest_address: Some("registry.kiln:5000".to_owned()),
                stored_bytes: 3 << 30,
                offline: true,
                troubles: vec!["its disk is full".to_owned()],
                ..Registry::default()
            }),
            no_registry: None,
        }
    }
}
