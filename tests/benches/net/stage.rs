//! A host's namespace and an internet's, of documentation addresses.

use std::{
    io::{self, Write as _},
    os::fd::AsRawFd as _,
    process::{Command, Stdio},
};

use anyhow::ensure;
use kiln_net::{
    namespace::Namespace,
    plan::{GuestLink, HostNetwork, Limits, Reach},
};

/// None is met.
pub(crate) const LIMITS: Limits = Limits {
    connections: 100_000,
    new_connections_per_second: 1_000_000,
    packets_per_second: 100_000_000,
    bytes_per_second: 10_000_000_000,
};

pub(crate) fn network() -> HostNetwork {
    HostNetwork {
        instance: "bench".into(),
        prefix: "kbenchb-".into(),
        link: GuestLink {
            guest: [198, 19, 255, 254].into(),
            gateway: [198, 19, 255, 253].into(),
            six: None,
        },
        // So many addresses as a thousand machines take.
        pools: ["198.18.0.0/16".parse().unwrap_or_else(|_| unreachable!("it is one"))].into(),
        never: Vec::new(),
        ceiling: Reach::Internet,
        limits: LIMITS,
    }
}

/// The host's, and the internet's behind it.
pub(crate) fn host_namespace() -> anyhow::Result<(Namespace, Namespace)> {
    let (host, internet) = (Namespace::make()?, Namespace::make()?);
    let descriptor = internet.descriptor()?;
    let peer = format!("/proc/{}/fd/{}", std::process::id(), descriptor.as_raw_fd());
    ip(
        &host,
        &format!(
            "link set lo up\nlink add wan type veth peer name outside netns {peer}\n\
         address add 203.0.113.1/24 dev wan\nlink set wan up\nroute add default via 203.0.113.80\n"
        ),
    )?;
    ip(
        &internet,
        "link set lo up\naddress add 203.0.113.80/24 dev outside\nlink set outside up\n",
    )?;
    Ok((host, internet))
}

pub(crate) fn ip(namespace: &Namespace, lines: &str) -> anyhow::Result<()> {
    let done = namespace.enter(|| {
        let mut ip = Command::new("ip").args(["-batch", "-"]).stdin(Stdio::piped()).spawn()?;
        if let Some(mut stdin) = ip.stdin.take() {
            stdin.write_all(lines.as_bytes())?;
        }
        ip.wait_with_output()
    })?;
    ensure!(done.status.success(), "ip could not: {lines}");
    Ok(())
}

pub(crate) fn set(namespace: &Namespace, name: &str, value: &str) -> anyhow::Result<()> {
    Ok(namespace.enter(|| kiln_net::sysctl::set(name, value).map_err(io::Error::other))?)
}
