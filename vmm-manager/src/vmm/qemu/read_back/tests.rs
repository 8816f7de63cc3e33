use serde_json::json;

use super::*;
use crate::vmm::{Disk, gateway};

fn spec() -> VmSpec {
    let disk = |serial: &'static str, path: &str, read_only| Disk {
        serial: serial.into(),
        path: path.into(),
        read_only,
    };
    VmSpec {
        name: "job".into(),
        instance: "0badcafe".into(),
        cid: 3,
        user: None,
        cgroup: None,
        directory: "/vm".into(),
        cpus: 2,
        memory_bytes: 1 << 30,
        kernel: "/vmlinux".into(),
        initramfs: "/initramfs".into(),
        command_line: "quiet".into(),
        disks: vec![disk("kiln-root", "/root.ext4", true), disk("kiln-scratch", "/s", false)],
        network: None,
    }
}

fn with_network() -> VmSpec {
    VmSpec { network: Some(gateway::tests::network(false)), ..spec() }
}

/// As QEMU 7.2 answers.
fn answer(spec: &VmSpec, question: &Question) -> Value {
    let mut answer = without_network(question);
    if spec.network.is_none() {
        return answer;
    }
    let (path, property) = question.about();
    match (question.name(), path, property) {
        ("query-rx-filter", ..) => {
            add(&mut answer, json!({"name": "net0", "main-mac": "02:4b:69:6c:6e:02"}));
        }
        ("query-pci", ..) => {
            add(&mut answer[0]["devices"], json!({"class_info": {"class": 0x200}}));
        }
        ("qom-list", "/machine/peripheral", _) => {
            add(&mut answer, json!({"name": "net0", "type": "child<virtio-net-pci>"}));
        }
        ("qom-get", "/machine/peripheral/net0", property) => {
            answer = match property {
                "netdev" => json!("net0"),
                "mac" => json!("02:4b:69:6c:6e:02"),
                "host_mtu" => json!(1500),
                "rx_queue_size" | "tx_queue_size" => json!(256),
                "romfile" => json!(""),
                "csum" | "mrg_rxbuf" | "status" => json!(true),
                other => json!(other.contains("tso") || other == "guest_csum"),
            }
        }
        _ => {}
    }
    answer
}

fn without_network(question: &Question) -> Value {
    let child = |name: &str, kind: &str| json!({"name": name, "type": format!("child<{kind}>")});
    let kind = json!({"name": "type", "type": "string"});
    let node = |name: &str, driver: &str, file: &str, ro: bool| {
        let cache = json!({"no-flush": !ro, "direct": false, "writeback": true});
        json!({"node-name": name, "drv": driver, "file": file, "ro": ro, "backing_file_depth": 0, "cache": cache})
    };
    let pci = |class: u64| json!({"class_info": {"class": class}, "qdev_id": ""});
    let (path, property) = question.about();
    match (question.name(), path, property) {
        ("query-cpus-fast", ..) => json!([{"qom-path": "/cpu0"}, {"qom-path": "/cpu1"}]),
        ("query-status", ..) => json!({"status": "prelaunch", "running": false}),
        ("query-kvm", ..) => json!({"enabled": false, "present": true}),
        ("query-memory-size-summary", ..) => {
            json!({"base-memory": 1_u64 << 30, "plugged-memory": 0})
        }
        ("query-memdev", ..) => {
            json!([{"id": "memory", "size": 1_u64 << 30, "share": true, "merge": false, "dump": false}])
        }
        ("query-block", ..) => json!([
            {"device": "", "inserted": node("disk0", "raw", "/root.ext4", true)},
            {"device": "", "inserted": node("disk1", "raw", "/s", false)},
        ]),
        ("query-named-block-nodes", ..) => json!([
            node("disk1", "raw", "/s", false),
            node("file1", "file", "/s", false),
            node("disk0", "raw", "/root.ext4", true),
            node("file0", "file", "/root.ext4", true),
        ]),
        ("query-chardev", ..) => {
            json!([{"label": "words"}, {"label": "serial"}, {"label": "vsock"}, {"label": "monitor"}])
        }
        ("query-display-options", ..) => json!({"type": "none"}),
        ("query-rx-filter", ..) => json!([]),
        ("query-pci", ..) => {
            json!([{"bus": 0, "devices": [pci(0x600), pci(0x780), pci(0x100), pci(0x100), pci(0x601)]}])
        }
        ("qom-list", "/machine/peripheral", _) => json!([
            kind,
            child("disk1", "virtio-blk-pci"),
            child("disk0", "virtio-blk-pci"),
            child("vsock", "vhost-user-vsock-pci"),
        ]),
        ("qom-list", "/machine/peripheral-anon", _) => json!([kind]),
        ("qom-list", "/machine/unattached", _) => {
            json!([kind, child("device[1]", "kvmvapic"), child("device[2]", "isa-serial")])
        }
        ("qom-list", "/objects", _) => json!([kind, child("memory", "memory-backend-memfd")]),
        ("qom-get", "/machine", "type") => json!("pc-q35-7.2-machine"),
        ("qom-get", "/machine", "kernel") => json!("/vmlinux"),
        ("qom-get", "/machine", "initrd") => json!("/initramfs"),
        ("qom-get", "/machine", "append") => json!("quiet"),
        ("qom-get", "/machine", "memory-backend") => json!("/objects/memory"),
        ("qom-get", "/machine", "firmware") => json!("/q.rom"),
        ("qom-get", "/machine", "vmport" | "smm") => json!("off"),
        ("qom-get", "/cpu0" | "/cpu1", "type") => json!("max-x86_64-cpu"),
        ("qom-get", "/machine/peripheral/vsock", "chardev") => json!("vsock"),
        ("qom-get", "/machine/peripheral/disk0", "serial") => json!("kiln-root"),
        ("qom-get", "/machine/peripheral/disk1", "serial") => json!("kiln-scratch"),
        ("qom-get", path, "drive") => json!(path.rsplit('/').next()),
        ("qom-get", ..) => json!(false),
        other => panic!("{other:?} is asked"),
    }
}

fn all(asked: Asked<'_>) -> (Vec<Check>, Vec<Value>) {
    let mut checks = checks(asked);
    let processors = answer(asked.spec, &checks[PROCESSORS].question);
    checks.extend(properties::processors(asked, &processors));
    let answers = checks.iter().map(|check| answer(asked.spec, &check.question)).collect();
    (checks, answers)
}

fn differs(checks: &[Check], answers: &[Value]) -> Option<String> {
    match compare(checks, answers) {
        Ok(()) => None,
        Err(VmmError::ReadBack { field, .. }) => Some(field),
        Err(other) => panic!("{other:?}"),
    }
}

#[test]
fn a_machine_as_asked_is_booted_and_one_that_says_nothing_is_not() {
    check_each(&spec(), "");
    check_each(&with_network(), "");
    check_each(&with_network(), "host_uso=<bool>\nguest_uso4=<bool>\n");
}

fn check_each(spec: &VmSpec, help: &str) {
    let (firmware, network) = (Firmware::new("/q.rom"), NetworkDevice::known(help));
    let asked =
        Asked { spec, accelerator: Accelerator::Tcg, firmware: &firmware, network: &network };
    let (checks, answers) = all(asked);
    assert_eq!(differs(&checks, &answers), None);
    assert!(checks.len() >= 40, "{}", checks.len());
    for (index, check) in checks.iter().enumerate() {
        for odd in [Value::Null, json!({}), json!(true), json!("other"), json!([{}]), json!(7)] {
            if odd == answers[index] {
                continue;
            }
            let mut answers = answers.clone();
            answers[index] = odd.clone();
            assert_eq!(
                differs(&checks, &answers),
                Some(check.field.to_owned()),
                "{odd} for {check:?}"
            );
        }
    }
}

fn add(list: &mut Value, element: Value) {
    list.as_array_mut().unwrap().push(element);
}

/// What is changed in the answer to one question.
type Change = fn(&mut Value);

const CHANGES: [(&str, &str, Change); 22] = [
    ("query-status", "status", |status| status["status"] = json!("running")),
    ("query-kvm", "accelerator", |kvm| kvm["enabled"] = json!(true)),
    ("query-cpus-fast", "cpus", |cpus| add(cpus, json!({}))),
    ("query-memory-size-summary", "memory", |memory| memory["plugged-memory"] = json!(1)),
    ("query-memdev", "memory of the guest", |memory| memory[0]["share"] = json!(false)),
    ("query-memdev", "memory of the guest", |memory| memory[0]["merge"] = json!(true)),
    ("query-memdev", "memory of the guest", |memory| memory[0]["dump"] = json!(true)),
    ("query-block", "disks", |disks| disks[0]["inserted"]["drv"] = json!("qcow2")),
    ("query-block", "disks", |disks| disks[0]["inserted"]["ro"] = json!(false)),
    ("query-block", "disks", |disks| disks[1]["inserted"]["file"] = json!("/etc/shadow")),
    ("query-block", "disks", |disks| disks[1]["inserted"]["node-name"] = json!("other")),
    ("query-block", "disks", |disks| disks[1]["inserted"]["backing_file_depth"] = json!(1)),
    ("query-block", "disks", |disks| disks[1]["inserted"]["cache"]["no-flush"] = json!(false)),
    ("query-block", "disks", |disks| add(disks, json!({"device": "floppy0"}))),
    ("query-named-block-nodes", "files of disks", |nodes| add(nodes, json!({"drv": "file"}))),
    ("query-chardev", "character devices", |devices| add(devices, json!({"label": "gdb"}))),
    ("query-chardev", "character devices", |devices| {
        devices[0]["label"] = json!("compat_monitor0");
    }),
    ("query-display-options", "display", |display| display["type"] = json!("gtk")),
    ("query-rx-filter", "networks", |networks| add(networks, json!({"name": "net0"}))),
    ("query-pci", "devices on PCI", |buses| {
        add(&mut buses[0]["devices"], json!({"class_info": {"class": 0x200}}));
    }),
    ("query-pci", "devices on PCI", |buses| {
        add(&mut buses[0]["devices"], json!({"class_info": {"class": 0xc03}}));
    }),
    ("query-pci", "devices on PCI", |buses| {
        add(buses, json!({"devices": [{"class_info": {"class": 0x300}}]}));
    }),
];

#[test]
fn one_network_is_asked_for_and_no_other_is_taken() {
    let (firmware, network) = (Firmware::new("/q.rom"), NetworkDevice::known(""));
    let (with, without) = (with_network(), spec());
    let asked = |spec| Asked {
        spec,
        accelerator: Accelerator::Tcg,
        firmware: &firmware,
        network: &network,
    };
    let (checks, answers) = all(asked(&with));
    let second = |command: &str, name: Value, field: &str| {
        let index = checks.iter().position(|check| check.question.name() == command).unwrap();
        let mut answers = answers.clone();
        add(&mut answers[index], name);
        assert_eq!(differs(&checks, &answers), Some(field.to_owned()));
    };
    second("query-rx-filter", json!({"name": "net1", "main-mac": "02:4b:69:6c:6e:02"}), "networks");
    second("query-pci", json!({"devices": [{"class_info": {"class": 0x200}}]}), "devices on PCI");
    // One that was not asked for, and one that is missing.
    let (expected, _) = all(asked(&without));
    let found: Vec<_> = expected.iter().map(|check| answer(&with, &check.question)).collect();
    assert_eq!(differs(&expected, &found), Some("devices".to_owned()));
    let found: Vec<_> = checks.iter().map(|check| answer(&without, &check.question)).collect();
    assert_eq!(differs(&checks, &found), Some("devices".to_owned()));
}

#[test]
fn a_machine_that_differs_is_not_booted() {
    let (spec, firmware) = (spec(), Firmware::new("/q.rom"));
    let network = NetworkDevice::known("");
    let asked = Asked {
        spec: &spec,
        accelerator: Accelerator::Tcg,
        firmware: &firmware,
        network: &network,
    };
    let (checks, answers) = all(asked);
    for (command, field, change) in CHANGES {
        let index = checks.iter().position(|check| check.question.name() == command).unwrap();
        let mut answers = answers.clone();
        change(&mut answers[index]);
        assert_eq!(differs(&checks, &answers), Some(field.to_owned()), "{command}");
    }
    let kvm = Asked { accelerator: Accelerator::Kvm, ..asked };
    assert_eq!(differs(&all(kvm).0, &answers), Some("accelerator".to_owned()));
    let other = Firmware::new("/other.rom");
    let elsewhere = Asked { firmware: &other, ..asked };
    assert_eq!(differs(&all(elsewhere).0, &answers), Some("firmware".to_owned()));
}
