//! The guest's network device, and that it is the only one.

use kiln_net::plan::GUEST_MAC;
use serde_json::Value;

use super::{Asked, Check, Question, each, listed, properties::property, text};
use crate::vmm::{
    gateway::{DEVICE, mac},
    qemu::network::{MTU, QUEUE},
};

const PATH: &str = "/machine/peripheral/net0";

pub(super) fn checks(asked: Asked<'_>) -> Vec<Check> {
    let Asked { spec, network, .. } = asked;
    let has = spec.network.is_some();
    let mut checks = vec![Check {
        field: "networks",
        question: Question::new("query-rx-filter"),
        read: |filters| each(filters, filter),
        expected: listed(has.then(|| format!("{DEVICE} {}", mac(GUEST_MAC)))),
    }];
    if !has {
        return checks;
    }
    checks.extend([
        property("TAP of the network", PATH, "netdev", DEVICE),
        property("address of the network device", PATH, "mac", mac(GUEST_MAC)),
        property("MTU of the network device", PATH, "host_mtu", MTU.to_string()),
        property("queue of the network device", PATH, "rx_queue_size", QUEUE.to_string()),
        property("queue of the network device", PATH, "tx_queue_size", QUEUE.to_string()),
        property("firmware of the network device", PATH, "romfile", ""),
    ]);
    checks.extend(network.features().map(|(feature, on)| {
        let expected = if on { "on" } else { "off" };
        property("features of the network device", PATH, feature, expected)
    }));
    checks
}

fn filter(filter: &Value) -> String {
    format!("{} {}", text(&filter["name"]), text(&filter["main-mac"]))
}
