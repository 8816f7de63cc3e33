//! Addresses that are changed: the guest's for the leased one, and an admitted server's for the
//! gateway's, so that the splice gets the connection.

use super::super::{
    expression::{number, set},
    family::Family,
    statement::{
        Statement, accept, as_coming_from, destination_port, from, is, to, to_gateway, transport,
    },
    table::{Chain, Hook},
};
use super::filter::SHUT;
use crate::plan::{Reach, SPLICE_PORT, TAP, UPLINK};

const DESTINATION: i32 = -100;
const SOURCE: i32 = 100;

/// The gateway's own address is admitted for an endpoint of the operator's, whatever the reach but
/// none.
pub(super) fn destination(families: &[Family], reach: Reach) -> Option<Chain> {
    let mut rules = Vec::new();
    if reach == Reach::Closed {
        return None;
    }
    for family in families {
        let redirect = to_gateway(family.gateway, SPLICE_PORT);
        let admitted = is(&family.whither(), &set(&family.set("allowed")));
        rules.push(vec![
            from(TAP),
            family.to_gateway(),
            transport(&["tcp"]),
            admitted.clone(),
            redirect.clone(),
        ]);
        if reach == Reach::Admitted {
            let any_port = is(&family.whither_without_port(), &set(&family.set("allowed_any")));
            rules.push(vec![from(TAP), family.to_one_of("never"), accept()]);
            rules.push(vec![from(TAP), family.to_one_of("host"), accept()]);
            rules.push(vec![from(TAP), destination_port("tcp", &SHUT.map(number)), accept()]);
            for admitted in [admitted, any_port] {
                rules.push(vec![from(TAP), transport(&["tcp"]), admitted, redirect.clone()]);
            }
        }
    }
    Some(chain("dstnat", "prerouting", DESTINATION, rules))
}

pub(super) fn source(families: &[Family]) -> Chain {
    let rules = families.iter().map(|family| vec![to(UPLINK), as_coming_from(family.leased)]);
    chain("srcnat", "postrouting", SOURCE, rules.collect())
}

fn chain(
    name: &'static str,
    point: &'static str,
    priority: i32,
    rules: Vec<Vec<Statement>>,
) -> Chain {
    let hook = Hook { kind: "nat", point, device: None, priority, policy: "accept" };
    Chain { name, hook: Some(hook), rules }
}
