//! What is plugged into the machine, and what each of it is connected with: no more than was asked.

use serde_json::{Value, json};

use super::{Check, Question, each, listed, properties::property, text};
use crate::vmm::{VmSpec, gateway::DEVICE, qemu::arguments::disk_node};

/// Classes of PCI devices.
const BLOCK: u64 = 0x0100;
const ETHERNET: u64 = 0x0200;
const HOST_BRIDGE: u64 = 0x0600;
const ISA_BRIDGE: u64 = 0x0601;
const SOCKETS: u64 = 0x0780;

/// On no bus that lists its devices.
const UNWANTED: [&str; 12] = [
    "hpet",
    "i8042",
    "isa-cirrus-vga",
    "isa-fdc",
    "isa-ide",
    "isa-parallel",
    "isa-vga",
    "ne2k_isa",
    "sb16",
    "sga",
    "vmmouse",
    "vmport",
];

pub(super) fn checks(spec: &VmSpec) -> Vec<Check> {
    let disks = 0..spec.disks.len();
    let list = |path| Question::with("qom-list", json!({"path": path}));
    let plugged = disks.clone().map(|index| format!("{}: virtio-blk-pci", disk_node(index)));
    let network = spec.network.as_ref();
    let plugged = plugged.chain(network.map(|_| format!("{DEVICE}: virtio-net-pci")));
    let classes = disks.map(|_| BLOCK).chain([HOST_BRIDGE, ISA_BRIDGE, SOCKETS]);
    let classes = classes.chain(network.map(|_| ETHERNET));
    let mut checks = vec![
        Check {
            field: "devices",
            question: list("/machine/peripheral"),
            read: children,
            expected: listed(plugged.chain(["vsock: vhost-user-vsock-pci".to_owned()])),
        },
        Check {
            field: "devices without a name",
            question: list("/machine/peripheral-anon"),
            read: children,
            expected: listed([]),
        },
        Check {
            field: "devices of the board",
            question: list("/machine/unattached"),
            read: unwanted,
            expected: listed(["isa-serial".to_owned()]),
        },
        Check {
            field: "devices on PCI",
            question: Question::new("query-pci"),
            read: pci,
            expected: listed(classes.map(class)),
        },
        Check {
            field: "objects",
            question: list("/objects"),
            read: children,
            expected: "memory: memory-backend-memfd".to_owned(),
        },
        Check {
            field: "memory of the guest",
            question: Question::new("query-memdev"),
            read: |backends| each(backends, backend),
            expected: format!("memory: {} share=on merge=off dump=off", spec.memory_bytes),
        },
        Check {
            field: "character devices",
            question: Question::new("query-chardev"),
            read: |devices| each(devices, |device| text(&device["label"])),
            expected: listed(["monitor", "serial", "vsock", "words"].map(str::to_owned)),
        },
        Check {
            field: "display",
            question: Question::new("query-display-options"),
            read: |display| text(&display["type"]),
            expected: "none".to_owned(),
        },
        property("the socket of vsock", "/machine/peripheral/vsock", "chardev", "vsock"),
    ];
    for (index, disk) in spec.disks.iter().enumerate() {
        let device = format!("/machine/peripheral/{}", disk_node(index));
        checks.push(property("disk of a device", &device, "drive", disk_node(index)));
        checks.push(property("serial number of a disk", &device, "serial", disk.serial.as_ref()));
    }
    checks
}

/// `disk0: virtio-blk-pci` for what QEMU lists as a `child<virtio-blk-pci>`.
fn children(properties: &Value) -> String {
    let Some(all) = properties.as_array() else { return text(&Value::Null) };
    let children = all.iter().filter(|property| property["type"].as_str() != Some("string"));
    listed(children.map(|property| {
        let kind = kind(property).map_or_else(|| text(&property["type"]), str::to_owned);
        format!("{}: {kind}", text(&property["name"]))
    }))
}

fn kind(property: &Value) -> Option<&str> {
    property["type"].as_str()?.strip_prefix("child<")?.strip_suffix('>')
}

/// Of the board's own devices those that could talk to somebody.
fn unwanted(properties: &Value) -> String {
    let all = properties.as_array().map(Vec::as_slice).unwrap_or_default();
    let counts =
        |kind: &&str| *kind == "isa-serial" || UNWANTED.contains(kind) || kind.starts_with("usb");
    listed(all.iter().filter_map(kind).filter(counts).map(str::to_owned))
}

fn pci(buses: &Value) -> String {
    let buses = buses.as_array().map(Vec::as_slice).unwrap_or_default();
    let devices = buses.iter().filter_map(|bus| bus["devices"].as_array()).flatten();
    listed(devices.map(|device| match device["class_info"]["class"].as_u64() {
        Some(number) => class(number),
        None => text(&device["class_info"]),
    }))
}

fn class(number: u64) -> String {
    format!("{number:#06x}")
}

fn backend(backend: &Value) -> String {
    let [id, size, share, merge, dump] =
        ["id", "size", "share", "merge", "dump"].map(|name| text(&backend[name]));
    format!("{id}: {size} share={share} merge={merge} dump={dump}")
}
