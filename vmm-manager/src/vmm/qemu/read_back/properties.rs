//! Properties of the machine and of its processors.

use serde_json::{Value, json};

use super::{Asked, Check, Question, shown, text};
use crate::vmm::qemu::Accelerator;

const MACHINE: &str = "/machine";
/// Ways into the host, and into a machine's past, that no guest of ours has.
const OFF: [(&str, &str); 9] = [
    ("usb", "usb"),
    ("sata", "sata"),
    ("smbus", "smbus"),
    ("the port of VMware", "vmport"),
    ("system management mode", "smm"),
    ("hpet", "hpet"),
    ("keyboard", "i8042"),
    ("memory in core dumps", "dump-guest-core"),
    ("memory shared with other guests", "mem-merge"),
];

pub(super) fn machine(asked: Asked<'_>) -> Vec<Check> {
    let Asked { spec, firmware, .. } = asked;
    let mut checks = vec![Check {
        // Which release's is the distributor's choice.
        read: |kind| {
            let kind = text(kind);
            if kind.starts_with("pc-q35-") { "q35".to_owned() } else { kind }
        },
        ..property("machine", MACHINE, "type", "q35")
    }];
    checks.extend(OFF.map(|(field, name)| property(field, MACHINE, name, "off")));
    checks.extend([
        property("kernel", MACHINE, "kernel", shown(&spec.kernel)),
        property("initramfs", MACHINE, "initrd", shown(&spec.initramfs)),
        property("command line of the kernel", MACHINE, "append", spec.command_line.as_str()),
        property("memory backend", MACHINE, "memory-backend", "/objects/memory"),
    ]);
    if let Some(boot) = firmware.boot() {
        checks.push(property("firmware", MACHINE, "firmware", shown(boot)));
    }
    checks
}

/// Of each of `processors`, as QEMU lists them.
pub(super) fn processors(asked: Asked<'_>, processors: &Value) -> Vec<Check> {
    let kind = match asked.accelerator {
        Accelerator::Kvm => "host-x86_64-cpu",
        Accelerator::Tcg => "max-x86_64-cpu",
    };
    let listed = processors.as_array().map(Vec::as_slice).unwrap_or_default();
    let paths = listed.iter().map(|processor| text(&processor["qom-path"]));
    let mut checks = Vec::new();
    for path in paths {
        checks.push(property("processor", &path, "type", kind));
        // No machines inside the machine.
        checks.push(property("nested virtualization of AMD", &path, "svm", "off"));
        checks.push(property("nested virtualization of Intel", &path, "vmx", "off"));
        if asked.accelerator == Accelerator::Tcg {
            checks.push(property("cx16", &path, "cx16", "off"));
        }
    }
    checks
}

pub(super) fn property(
    field: &'static str,
    object: &str,
    name: &str,
    expected: impl Into<String>,
) -> Check {
    let question = Question::with("qom-get", json!({"path": object, "property": name}));
    Check { field, question, read: text, expected: expected.into() }
}
