//! What becomes of a question, before anything is asked. Pure.

use std::net::IpAddr;

use hickory_proto::rr::{DNSClass, RecordType};
use kiln_net::{
    control::REGISTRY_NAME,
    name::Name,
    policy::{Pattern, Policy},
    record::Reason,
};

use super::{question::Question, special};
use crate::gateway::Gateway;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ruling {
    Refuse(Reason),
    /// The name is there, and has nothing of that kind.
    Empty,
    Missing,
    /// An endpoint's.
    Gateway {
        name: Name,
        address: IpAddr,
    },
    /// The host's registry, which is open to all.
    Registry {
        address: IpAddr,
    },
    Ask(Wanted),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) name: Name,
    /// How many of its last bytes a rule for a suffix gives, where the rest is the guest's own.
    pub(super) fixed: Option<usize>,
}

pub(super) fn rule(gateway: &Gateway, question: &Question) -> Ruling {
    let policy = &gateway.config.policy;
    let Some(name) = question.host.clone() else {
        return Ruling::Refuse(match policy {
            Policy::Record | Policy::Internet => Reason::Malformed,
            Policy::None | Policy::Allow(_) => Reason::NotAllowed,
        });
    };
    if gateway.config.registry && name.as_str() == REGISTRY_NAME {
        return match endpoint(gateway, question, name) {
            Ruling::Gateway { name: _, address } => Ruling::Registry { address },
            other => other,
        };
    }
    if gateway.config.endpoints.iter().any(|endpoint| endpoint.name == name) {
        return endpoint(gateway, question, name);
    }
    let fixed = match policy {
        Policy::None => return Ruling::Refuse(Reason::NotAllowed),
        Policy::Allow(_) => match given(gateway, &name) {
            Some(fixed) => (fixed < name.as_str().len()).then_some(fixed),
            None => return Ruling::Refuse(Reason::NotAllowed),
        },
        Policy::Record | Policy::Internet => {
            if special::is_ours_alone(gateway, &question.name) {
                return Ruling::Missing;
            }
            None
        }
    };
    if question.class != DNSClass::IN {
        return Ruling::Refuse(Reason::QueryKind);
    }
    match question.kind {
        RecordType::A => Ruling::Ask(Wanted { name, fixed }),
        RecordType::AAAA if gateway.config.link.six.is_some() => {
            Ruling::Ask(Wanted { name, fixed })
        }
        // What they hint at would encrypt the name that the splice needs, or go around it; clients
        // do without.
        RecordType::AAAA | RecordType::HTTPS | RecordType::SVCB => Ruling::Empty,
        kind if is_common(kind) && matches!(policy, Policy::Record | Policy::Internet) => {
            Ruling::Ask(Wanted { name, fixed })
        }
        _ => Ruling::Refuse(Reason::QueryKind),
    }
}

fn endpoint(gateway: &Gateway, question: &Question, name: Name) -> Ruling {
    let link = &gateway.config.link;
    match (question.class, question.kind, link.six) {
        (DNSClass::IN, RecordType::A, _) => Ruling::Gateway { name, address: link.gateway.into() },
        (DNSClass::IN, RecordType::AAAA, Some(six)) => {
            Ruling::Gateway { name, address: six.gateway.into() }
        }
        (DNSClass::IN, RecordType::AAAA | RecordType::HTTPS | RecordType::SVCB, _) => Ruling::Empty,
        _ => Ruling::Refuse(Reason::QueryKind),
    }
}

/// How many of the last bytes of `name` its rules give; all of them by an exact one.
fn given(gateway: &Gateway, name: &Name) -> Option<usize> {
    gateway
        .rules(name)
        .map(|rule| match &rule.pattern {
            Pattern::Exact(exact) => exact.as_str().len(),
            Pattern::Suffix(suffix) => suffix.as_str().len() + 1,
        })
        .max()
}

/// What programs ask for beside addresses, and what can't carry an address by itself.
fn is_common(kind: RecordType) -> bool {
    matches!(
        kind,
        RecordType::CNAME
            | RecordType::MX
            | RecordType::SRV
            | RecordType::TXT
            | RecordType::PTR
            | RecordType::NS
            | RecordType::SOA
            | RecordType::CAA
    )
}
