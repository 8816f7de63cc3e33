//! Every file that QEMU has open as a disk, and how it reads it.

use serde_json::Value;

use super::{Check, Question, each, listed, shown, text};
use crate::vmm::{
    Disk, VmSpec,
    qemu::arguments::{disk_file_node, disk_node},
};

pub(super) fn checks(spec: &VmSpec) -> Vec<Check> {
    let disks = || spec.disks.iter().enumerate();
    let nodes = disks().flat_map(|(index, disk)| {
        [node(&disk_node(index), "raw", disk), node(&disk_file_node(index), "file", disk)]
    });
    vec![
        Check {
            field: "disks",
            question: Question::new("query-block"),
            read: |devices| each(devices, |device| described(&device["inserted"])),
            expected: listed(disks().map(|(index, disk)| node(&disk_node(index), "raw", disk))),
        },
        // Those as well that no device has: a backing file would be one.
        Check {
            field: "files of disks",
            question: Question::new("query-named-block-nodes"),
            read: |nodes| each(nodes, described),
            expected: listed(nodes),
        },
    ]
}

fn node(name: &str, driver: &str, disk: &Disk) -> String {
    let mode = if disk.read_only { "read-only" } else { "written" };
    let flush = if disk.read_only { "on" } else { "off" };
    format!("{name}: {driver} {mode} flush={flush} direct=off backing=0 {}", shown(&disk.path))
}

fn described(node: &Value) -> String {
    let mode = match node["ro"].as_bool() {
        Some(true) => "read-only",
        Some(false) => "written",
        None => "nothing",
    };
    let flush = match node["cache"]["no-flush"].as_bool() {
        Some(true) => "off",
        Some(false) => "on",
        None => "nothing",
    };
    let [name, driver, file] = ["node-name", "drv", "file"].map(|field| text(&node[field]));
    let (direct, backing) = (text(&node["cache"]["direct"]), text(&node["backing_file_depth"]));
    format!("{name}: {driver} {mode} flush={flush} direct={direct} backing={backing} {file}")
}
