//! What its network refused a machine.

use std::time::SystemTime;

use kiln_net::{
    policy::{Protocol, Rule},
    record::{EgressRecord, Reason, Refusal, Refused, Transport},
};

use super::{
    Evidence, Refusals, Suspect, is_soon, last_word,
    registry::{DOCKER, DOCKER_REGISTRY},
};
use crate::{
    job::{Failure, FailureClass},
    registry::RegistryRecord,
};

pub(super) fn suspect<'a>(
    refusals: Refusals<'a>,
    tail: &str,
    ended_at: SystemTime,
) -> Option<Suspect<&'a Refusal>> {
    let record = refusals.network?;
    let candidates = record.refusals.iter();
    let candidates: Vec<_> = candidates
        .filter(|one| explains(one) && !is_the_registrys(one, refusals.registry))
        .collect();
    named_last(record, &candidates, tail).or_else(|| last_of_all(record, &candidates, ended_at))
}

/// The one that the output named last.
fn named_last<'a>(
    record: &EgressRecord,
    candidates: &[&'a Refusal],
    tail: &str,
) -> Option<Suspect<&'a Refusal>> {
    let candidates = candidates.iter().filter(|one| !is_mended(one, record));
    let named = |refusal: &&'a Refusal| {
        let hosts = hosts(&refusal.what);
        let place = hosts.iter().filter_map(|host| last_word(tail, host)).max()?;
        Some(Suspect { refusal: *refusal, evidence: Evidence::Named { place } })
    };
    // Of several at one place the first, which began it.
    candidates.filter_map(named).rev().max_by_key(|suspect| suspect.evidence)
}

fn last_of_all<'a>(
    record: &EgressRecord,
    candidates: &[&'a Refusal],
    ended_at: SystemTime,
) -> Option<Suspect<&'a Refusal>> {
    let refusal = candidates.iter().rev().max_by_key(|refusal| refusal.last)?;
    let last = refusal.last?;
    let is_last = record.flows.iter().all(|flow| flow.last <= last);
    let evidence = Evidence::Last(last);
    (is_last && is_soon(last, ended_at)).then_some(Suspect { refusal, evidence })
}

/// A question for a registry that the host's own registry was asked for as well. Engines look such
/// names up beside asking for them, and do without the answer.
fn is_the_registrys(refusal: &Refusal, registry: Option<&RegistryRecord>) -> bool {
    let (Refused::Query { name, .. }, Some(record)) = (&refusal.what, registry) else {
        return false;
    };
    let name = name.trim_end_matches('.');
    let materials = record.materials.iter().filter_map(|one| one.registry.as_ref());
    let refusals = record.refusals.iter().filter_map(|one| one.registry.as_ref());
    materials.chain(refusals).any(|host| {
        host.name().eq_ignore_ascii_case(name)
            || (host.as_str() == DOCKER && name.eq_ignore_ascii_case(DOCKER_REGISTRY))
    })
}

/// Kinds of questions that are not answered are asked beside others that are; and what cannot be
/// reached was not denied.
fn explains(refusal: &Refusal) -> bool {
    match refusal.reason {
        Reason::NotAllowed
        | Reason::Never
        | Reason::PrivateAnswer
        | Reason::NoServerName
        | Reason::OtherServerName
        | Reason::NotTheProtocol
        | Reason::Limit => true,
        Reason::QueryKind | Reason::Unreachable | Reason::Malformed => false,
    }
}

/// Its host was reached later: the command found another way.
fn is_mended(refusal: &Refusal, record: &EgressRecord) -> bool {
    let (Some(name), Some(last)) = (name(&refusal.what), refusal.last) else { return false };
    record.flows.iter().any(|flow| {
        flow.first > last && flow.name.as_ref().is_some_and(|flow| flow.as_str() == name)
    })
}

fn name(what: &Refused) -> Option<&str> {
    match what {
        Refused::Query { name, .. } => Some(name.trim_end_matches('.')),
        Refused::Connection { name, .. } => name.as_deref(),
    }
}

/// As an output may name it.
fn hosts(what: &Refused) -> Vec<String> {
    let address = match what {
        Refused::Query { .. } => None,
        Refused::Connection { address, .. } => Some(address.to_string()),
    };
    let name = name(what).map(str::to_ascii_lowercase);
    name.into_iter().chain(address).filter(|host| !host.is_empty()).collect()
}

pub(super) fn denied(failure: Failure, refusal: &Refusal) -> Failure {
    let Failure { class: _, message, details } = failure;
    let host = hosts(&refusal.what).into_iter().next().unwrap_or_default();
    let words = format!("{message}, after its network refused {}", in_words(refusal, &host));
    let mut denied = Failure::new(FailureClass::EgressDenied, words);
    denied.details = details;
    denied = denied.with("host", host).with("egress", refusal.reason.name());
    match &refusal.what {
        Refused::Connection { port, .. } if *port > 0 => denied.with("port", port),
        Refused::Connection { .. } | Refused::Query { .. } => denied,
    }
}

/// What was refused, why, and what to do.
fn in_words(refusal: &Refusal, host: &str) -> String {
    let place = match &refusal.what {
        Refused::Query { .. } | Refused::Connection { port: 0, .. } => host.to_owned(),
        Refused::Connection { port, .. } if host.contains(':') => format!("[{host}]:{port}"),
        Refused::Connection { port, .. } => format!("{host}:{port}"),
    };
    let rule = rule(&refusal.what, host);
    match refusal.reason {
        Reason::NotAllowed => match rule {
            Some(rule) => format!("{place}: its egress policy has no rule like {rule}"),
            None => format!("{place}: its egress policy reaches what a rule names, by its name"),
        },
        Reason::Never => format!(
            "{place}: private, link-local and the host's addresses are always refused (an operator \
             can open a service there with kilnd --endpoint)"
        ),
        Reason::PrivateAnswer => format!("{place}: its name stands for a private address"),
        Reason::NoServerName => {
            format!("{place}: its TLS names no host, or hides it (a rule with /tcp does not look)")
        }
        Reason::OtherServerName => {
            format!("{place}: the connection named another host than its address stands for")
        }
        Reason::NotTheProtocol => format!(
            "{place}: it does not speak the protocol of its rule (a rule with /tcp does not look)"
        ),
        Reason::Limit => format!("{place}: over a limit of its network"),
        Reason::QueryKind | Reason::Unreachable | Reason::Malformed => place,
    }
}

/// What would have let it through; only a name can stand in one.
fn rule(what: &Refused, host: &str) -> Option<Rule> {
    let host = host.parse().ok()?;
    let (port, protocol) = match what {
        Refused::Query { .. } => (443, Protocol::Tls),
        Refused::Connection { port, transport: Transport::Udp, .. } => (*port, Protocol::Udp),
        Refused::Connection { port, .. } => (*port, Protocol::of_port(*port)),
    };
    let pattern = kiln_net::policy::Pattern::Exact(host);
    (port > 0 && !protocol.is_shut_at(port)).then_some(Rule { pattern, port, protocol })
}
