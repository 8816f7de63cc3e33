//! Policies for tests: few names, so that they meet.

use proptest::{collection::vec, prelude::*};

use super::{Pattern, Policy, Protocol, Rule};
use crate::name::Name;

pub(crate) fn name(text: &str) -> Name {
    text.parse().unwrap()
}

pub(crate) fn policy(text: &str) -> Policy {
    text.parse().unwrap()
}

pub(crate) fn names() -> impl Strategy<Value = Name> {
    let label = prop::sample::select(vec!["a", "b", "xa", "c-1"]);
    vec(label, 1..5).prop_map(|labels| name(&labels.join(".")))
}

pub(crate) fn ports() -> impl Strategy<Value = u16> {
    prop_oneof![Just(80), Just(8443), Just(53), 1..=u16::MAX]
}

pub(crate) fn protocols() -> impl Strategy<Value = Protocol> {
    prop::sample::select(vec![Protocol::Tls, Protocol::Http, Protocol::Tcp, Protocol::Udp])
}

pub(crate) fn rules() -> impl Strategy<Value = Rule> {
    let pattern = prop_oneof![names().prop_map(Pattern::Exact), names().prop_map(Pattern::Suffix),];
    let port = prop::sample::select(vec![80, 8443]);
    (pattern, port, protocols()).prop_map(|(pattern, port, protocol)| Rule {
        pattern,
        port,
        protocol,
    })
}

pub(crate) fn policies() -> impl Strategy<Value = Policy> {
    let allow = prop::collection::btree_set(rules(), 1..6)
        .prop_map(|rules| Policy::Allow(rules.into_iter().collect()));
    prop_oneof![
        1 => Just(Policy::None),
        6 => allow,
        1 => Just(Policy::Record),
        1 => Just(Policy::Internet),
    ]
}
