//! The guest's network device: a virtio-net over a TAP that QEMU is born with.

use std::path::Path;

use kiln_net::plan::GUEST_MAC;
use serde_json::{Value, json};

use crate::vmm::{
    gateway::{DEVICE, mac},
    words,
};

/// Of the guest's link, at both ends.
pub(super) const MTU: u32 = 1500;
/// How long each of the two queues is.
pub(super) const QUEUE: u32 = 256;

/// What the guest's kernel and the host's leave to each other: checksums, and segments of TCP. All
/// else is off; above all whatever lets the guest change its device while it runs.
const FEATURES: [(&str, bool); 24] = [
    ("csum", true),
    ("guest_csum", true),
    ("guest_tso4", true),
    ("guest_tso6", true),
    ("host_tso4", true),
    ("host_tso6", true),
    ("mrg_rxbuf", true),
    ("status", true),
    ("ctrl_guest_offloads", false),
    ("ctrl_mac_addr", false),
    ("ctrl_rx", false),
    ("ctrl_rx_extra", false),
    ("ctrl_vlan", false),
    ("ctrl_vq", false),
    ("failover", false),
    ("gso", false),
    ("guest_announce", false),
    ("guest_ecn", false),
    ("guest_ufo", false),
    ("hash", false),
    ("host_ecn", false),
    ("host_ufo", false),
    ("mq", false),
    ("rss", false),
];
/// Segments of UDP, which releases from 8.1 on know and have on.
const LATER: [&str; 3] = ["guest_uso4", "guest_uso6", "host_uso"];

/// As one release of QEMU has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NetworkDevice {
    later: Vec<&'static str>,
}

impl NetworkDevice {
    /// Asks what a release knows of. One that has no such device says so when it is to make one.
    pub(super) async fn probe(qemu: &Path) -> Self {
        let said = words::ask(qemu, &["-device", "virtio-net-pci,help"]).await;
        Self::known(&said.map(|words| words.stdout).unwrap_or_default())
    }

    /// `  host_tso4=<bool>           - on/off (default: true)` and the like, a line each.
    pub(super) fn known(help: &str) -> Self {
        let named = |name: &str| {
            let mut lines = help.lines().filter_map(|line| line.trim().split_once('='));
            lines.any(|(known, _)| known == name)
        };
        Self { later: LATER.into_iter().filter(|name| named(name)).collect() }
    }

    /// All that may be on or off.
    pub(super) fn features(&self) -> impl Iterator<Item = (&'static str, bool)> {
        FEATURES.into_iter().chain(self.later.iter().map(|name| (*name, false)))
    }

    /// As the command line has it.
    pub(super) fn render(&self) -> Value {
        let mut device = json!({
            "driver": "virtio-net-pci",
            "id": DEVICE,
            "netdev": DEVICE,
            "mac": mac(GUEST_MAC),
            "host_mtu": MTU,
            "rx_queue_size": QUEUE,
            "tx_queue_size": QUEUE,
            // No program for the guest's firmware to run.
            "romfile": "",
        });
        for (feature, on) in self.features() {
            device[feature] = Value::Bool(on);
        }
        device
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(help: &str, later: &[&str]) {
        let device = NetworkDevice::known(help);
        assert_eq!(device.later, later);
        let rendered = device.render();
        for (feature, on) in FEATURES.into_iter().chain(later.iter().map(|name| (*name, false))) {
            assert_eq!(rendered[feature], Value::Bool(on), "{feature}");
        }
        for absent in LATER.iter().filter(|name| !later.contains(name)) {
            assert!(rendered[*absent].is_null(), "{absent}");
        }
    }

    #[test]
    fn a_release_is_told_what_it_knows() {
        check("", &[]);
        let line = |name: &str| format!("  {name}=<bool>       - on/off (default: true)\n");
        check(&format!("virtio-net-pci options:\n{}", line("host_ufo")), &[]);
        check(&format!("{}{}", line("host_uso"), line("guest_uso4")), &["guest_uso4", "host_uso"]);
        check("  rss=<bool>  - like host_uso=, on/off", &[]);
    }
}
