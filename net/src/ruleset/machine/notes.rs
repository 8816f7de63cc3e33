//! What is noted: flows where they open and as they run, refusals. A set that is full takes no new
//! element, then its rule ends, and the next one counts.

use super::{
    super::{
        family::Family,
        frames::LIMITED,
        statement::{
            Statement, accept, connections_over, count, direction, goto, note, packets_over,
            prohibited, reset, transport,
        },
        table::Chain,
    },
    MORE_FLOWS, MORE_REFUSED,
};
use crate::plan::Limits;

const PORTED: [&str; 2] = ["tcp", "udp"];

/// A connection that may be.
pub(super) fn opened(families: &[Family], limits: &Limits) -> Chain {
    let rate = limits.new_connections_per_second;
    let mut rules = vec![
        vec![packets_over(rate, rate), count(LIMITED), goto("answer")],
        vec![connections_over(limits.connections), count(LIMITED), goto("answer")],
    ];
    for family in families {
        let exact = note("add", &family.set("first"), &family.whither());
        rules.push(vec![transport(&PORTED), exact, goto("counted")]);
        let coarse = note("add", &family.set("first_other"), &family.whither_without_port());
        rules.push(vec![transport(&[family.icmp()]), coarse, goto("counted")]);
    }
    rules.push(vec![count(MORE_FLOWS), goto("counted")]);
    Chain { name: "opened", hook: None, rules }
}

/// Each packet of it.
pub(super) fn counted(families: &[Family]) -> Chain {
    let mut rules = Vec::new();
    for family in families {
        let mut update = |way: &str, protocols: &[&str], set: &str, key| {
            rules.push(vec![
                direction(way),
                transport(protocols),
                note("update", &family.set(set), &key),
                accept(),
            ]);
        };
        update("original", &PORTED, "out", family.whither());
        update("reply", &PORTED, "in", family.whence());
        update("original", &[family.icmp()], "out_other", family.whither_without_port());
        update("reply", &[family.icmp()], "in_other", family.whence_without_port());
    }
    rules.push(vec![accept()]);
    Chain { name: "counted", hook: None, rules }
}

/// Whatever else a guest asked for.
pub(super) fn refuse(families: &[Family]) -> Chain {
    let mut rules: Vec<Vec<Statement>> = Vec::new();
    for family in families {
        let exact = note("add", &family.set("refused"), &family.whither());
        rules.push(vec![transport(&PORTED), exact, goto("answer")]);
    }
    for family in families {
        let coarse = note("add", &family.set("refused_other"), &family.whither_without_port());
        rules.push(vec![super::filter::not_ported(), coarse, goto("answer")]);
    }
    rules.push(vec![count(MORE_REFUSED), goto("answer")]);
    Chain { name: "refuse", hook: None, rules }
}

pub(super) fn answer() -> Chain {
    Chain {
        name: "answer",
        hook: None,
        rules: vec![vec![transport(&["tcp"]), reset()], vec![prohibited()]],
    }
}
