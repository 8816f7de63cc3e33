//! When the job has ended: the record of its network, and the lockfile.

use std::{
    net::{IpAddr, Ipv4Addr},
    time::Duration,
};

use kiln_net::{
    lock::{Destination, Diff, Lock, Needed},
    policy::{Protocol, Rule},
    record::Transport,
};
use tokio::time::{Instant, sleep};

use super::{Egress, EgressError, Lockfile, Purpose, file};
use crate::{
    daemon::{Daemon, DaemonError},
    record::{EgressRecord, Flow, Job, Refusal, RegistryRecord, State},
    report,
};

/// The record is read when the VM goes, which may be after the job's end.
const PATIENCE: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(100);
/// Of a difference; more are counted.
const MOST_LINES: usize = 100;
const HTTPS: u16 = 443;

impl Egress {
    /// `job` becomes the one with its record. `quiet` keeps notices back.
    ///
    /// # Cancel safety
    /// Safe: the lockfile is the old one or the new one.
    pub(crate) async fn settle(
        &self,
        daemon: &Daemon,
        job: &mut Job,
        quiet: bool,
    ) -> anyhow::Result<()> {
        let Some(lockfile) = &self.lockfile else { return Ok(()) };
        let notice = |words: &str| {
            if !quiet {
                report::error(words);
            }
        };
        let path = lockfile.path.display();
        match (lockfile.purpose, job.state) {
            (_, State::Cancelled) => Ok(()),
            (Purpose::Write, State::Completed) => {
                let Some(record) = recorded(daemon, job).await? else {
                    return Err(EgressError::NoRecord { path: lockfile.path.clone() }.into());
                };
                Ok(lockfile.write(&record, job.registry.as_ref(), notice)?)
            }
            (Purpose::Write, _) => {
                notice(&format!("{path} is left as it is: only a job that completed writes it"));
                Ok(())
            }
            (Purpose::Enforce, _) => {
                if let Some(record) = recorded(daemon, job).await? {
                    lockfile.compare(&record, job, notice);
                }
                Ok(())
            }
        }
    }
}

/// Waits for it.
async fn recorded(daemon: &Daemon, job: &mut Job) -> Result<Option<EgressRecord>, DaemonError> {
    let deadline = Instant::now() + PATIENCE;
    while job.egress.is_none() && Instant::now() < deadline {
        sleep(PAUSE).await;
        *job = daemon.job(&job.id).await?;
    }
    Ok(job.egress.clone())
}

impl Lockfile {
    fn write(
        &self,
        record: &EgressRecord,
        registry: Option<&RegistryRecord>,
        notice: impl Fn(&str),
    ) -> Result<(), EgressError> {
        let path = || self.path.clone();
        let lock = Lock::of(reached(record, registry))
            .map_err(|source| EgressError::TooMany { path: path(), source })?;
        let text = lock.to_string();
        let before = self.lock.clone().unwrap_or_default();
        let diff = before.diff(&lock);
        let name = self.path.display();
        if self.lock.is_some() && diff.is_empty() {
            notice(&format!("{name} has not changed"));
        } else {
            file::write(&self.path, &text)
                .map_err(|source| EgressError::Write { path: path(), source })?;
            let what = if self.lock.is_some() { "changed" } else { "written" };
            notice(&format!("{name} was {what}{}", lines(&diff)));
        }
        for remark in lock.remarks().take(MOST_LINES) {
            notice(&format!("{name} cannot allow what was reached without a name: {remark}"));
        }
        let registry_lack = registry.and_then(|record| record.incomplete.as_deref());
        let has_more =
            record.more_flows > 0 || registry.is_some_and(|record| record.more_materials > 0);
        let lack = record.incomplete.as_deref().or(registry_lack);
        if let Some(why) = lack.or(has_more.then_some("it was too long to be listed")) {
            notice(&format!("{name} may lack something, as the record does: {why}"));
        }
        Ok(())
    }

    /// What ran under it with what it allows.
    fn compare(&self, record: &EgressRecord, job: &Job, notice: impl Fn(&str)) {
        let id = &job.id;
        let reached: Vec<_> = reached(record, job.registry.as_ref()).collect();
        let denied = || record.refusals.iter().filter(|refusal| refusal.reason == "not_allowed");
        let needed: Vec<_> = denied().filter_map(needed).collect();
        let unnamed = denied().count() - needed.len();
        let lock = self.lock.clone().unwrap_or_default();
        let diff = lock.diff_to_run(&reached, &needed);
        if diff.is_empty() && unnamed == 0 {
            return;
        }
        let mut parts = Vec::new();
        if diff.added() > 0 {
            parts.push("+ was refused");
        }
        if diff.removed() > 0 {
            parts.push("- was not used");
        }
        if unnamed > 0 {
            parts.push("more was refused that no rule can name");
        }
        let name = self.path.display();
        let hint = format!("`kiln job get {id}` tells more");
        let parts = parts.join(", ");
        notice(&format!("the job differs from {name} ({parts}; {hint}){}", lines(&diff)));
    }
}

/// Below a heading.
fn lines(diff: &Diff) -> String {
    let text = diff.to_string();
    let mut lines = String::new();
    for line in text.lines().take(MOST_LINES) {
        lines.push('\n');
        lines.push_str(line);
    }
    match text.lines().count().saturating_sub(MOST_LINES) {
        0 => lines,
        more => format!("{lines}\n… and {more} more"),
    }
}

/// By the guest itself, and on its behalf by the host's registry.
fn reached<'a>(
    record: &'a EgressRecord,
    registry: Option<&'a RegistryRecord>,
) -> impl Iterator<Item = Destination> + 'a {
    let flows = record.flows.iter().filter_map(destination);
    let materials = registry.into_iter().flat_map(|record| &record.materials);
    flows.chain(materials.filter_map(|material| of_registry(material.registry.as_deref()?)))
}

/// Registries are spoken to over TLS: by the host, whatever port they have.
fn of_registry(registry: &str) -> Option<Destination> {
    let (host, port) = match registry.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok()?),
        _ => (registry, HTTPS),
    };
    let address = host.trim_start_matches('[').trim_end_matches(']').parse().ok();
    let name = if address.is_some() { None } else { Some(host.parse().ok()?) };
    Some(Destination {
        name,
        // Nobody tells where a name led to, and its rule does not need it.
        address: address.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
        port,
        transport: Transport::Tcp,
        protocol: Some(Protocol::Tls),
    })
}

/// What a newer kilnd says and this command cannot read is nothing that a rule can name.
fn destination(flow: &Flow) -> Option<Destination> {
    let Flow { name, address, port, transport, protocol, .. } = flow;
    Some(Destination {
        name: name.as_ref().and_then(|name| name.parse().ok()),
        address: address.parse().ok()?,
        port: u16::try_from(*port).ok()?,
        transport: self::transport(transport),
        protocol: protocol.as_ref().and_then(|protocol| protocol.parse().ok()),
    })
}

fn transport(name: &str) -> Transport {
    match name {
        "tcp" => Transport::Tcp,
        "udp" => Transport::Udp,
        "icmp" => Transport::Icmp,
        _ => Transport::Other,
    }
}

fn needed(refusal: &Refusal) -> Option<Needed> {
    let Refusal { name, query_kind, port, transport, .. } = refusal;
    let name = name.as_ref()?.parse().ok()?;
    if query_kind.is_some() {
        return Some(Needed::Name(name));
    }
    let port = u16::try_from((*port)?).ok().filter(|port| *port > 0)?;
    let protocol = match self::transport(transport.as_deref()?) {
        Transport::Tcp => Protocol::of_port(port),
        Transport::Udp => Protocol::Udp,
        Transport::Icmp | Transport::Other => return None,
    };
    if protocol.is_shut_at(port) {
        return None;
    }
    let pattern = kiln_net::policy::Pattern::Exact(name);
    Some(Needed::Rule(Rule { pattern, port, protocol }))
}
