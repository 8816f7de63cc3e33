//! Whether what a guest was refused of its network explains why its command failed. Pure, and a
//! judgement: nobody but the command knows why it gave up.
//!
//! Two things speak for it. The end of its output names a host that was refused, as the words of
//! nearly every client do; or the last thing that happened on its network, seconds before its end,
//! was a refusal.

use std::time::{Duration, SystemTime};

use kiln_net::{
    policy::{Protocol, Rule},
    record::{EgressRecord, Reason, Refusal, Refused, Transport},
};

use super::{Failure, FailureClass};

/// Between the last refusal and the end; clients give up at once, or after few tries.
const SOON: Duration = Duration::from_secs(5);
/// Of the output's end: what a client says before it gives up, and what its caller says about that.
pub const TAIL_BYTES: usize = 16 << 10;

/// `failure`, or the refusal that explains it. `tail` is the end of its output, `ended_at` when its
/// command ended. What is no command's own failure stays what it is.
pub fn explained(
    failure: Failure,
    record: &EgressRecord,
    tail: &[u8],
    ended_at: SystemTime,
) -> Failure {
    // One with a reason could not be started, or has failed in another way that is known.
    if failure.class != FailureClass::User || failure.details.contains_key("reason") {
        return failure;
    }
    match cause(record, tail, ended_at) {
        Some(refusal) => denied(failure, refusal),
        None => failure,
    }
}

fn cause<'a>(record: &'a EgressRecord, tail: &[u8], ended_at: SystemTime) -> Option<&'a Refusal> {
    named_last(record, tail).or_else(|| last_of_all(record, ended_at))
}

/// The one that the output named last.
fn named_last<'a>(record: &'a EgressRecord, tail: &[u8]) -> Option<&'a Refusal> {
    let start = tail.len().saturating_sub(TAIL_BYTES);
    let tail = String::from_utf8_lossy(&tail[start..]).to_ascii_lowercase();
    let candidates = record.refusals.iter().filter(|one| explains(one) && !is_mended(one, record));
    let place = |refusal: &'a Refusal| {
        let hosts = hosts(&refusal.what);
        let place = hosts.iter().filter_map(|host| last_word(&tail, host)).max()?;
        Some((place, refusal))
    };
    // Of several at one place the first, which began it.
    candidates.filter_map(place).rev().max_by_key(|(place, _)| *place).map(|(_, refusal)| refusal)
}

fn last_of_all(record: &EgressRecord, ended_at: SystemTime) -> Option<&Refusal> {
    let refusals = record.refusals.iter().filter(|refusal| explains(refusal));
    let refusal = refusals.rev().max_by_key(|refusal| refusal.last)?;
    let last = refusal.last?;
    let is_last = record.flows.iter().all(|flow| flow.last <= last);
    let is_soon = ended_at.duration_since(last).unwrap_or_default() <= SOON;
    (is_last && is_soon).then_some(refusal)
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

/// Where `host` stands for the last time as a word of its own: `one.test` does not stand in
/// `a.one.test`, nor in `one.test.example`, but in `one.test.` at a sentence's end.
fn last_word(text: &str, host: &str) -> Option<usize> {
    let joins = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_');
    let stands_alone = |place: usize| {
        let before = text[..place].chars().next_back();
        let mut behind = text[place + host.len()..].chars();
        let opens = !before.is_some_and(|letter| joins(letter) || letter == '.');
        let closes = match behind.next() {
            Some('.') => !behind.next().is_some_and(joins),
            Some(letter) => !joins(letter),
            None => true,
        };
        opens && closes
    };
    text.rmatch_indices(host).map(|(place, _)| place).find(|place| stands_alone(*place))
}

fn denied(failure: Failure, refusal: &Refusal) -> Failure {
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

#[cfg(test)]
mod tests;
