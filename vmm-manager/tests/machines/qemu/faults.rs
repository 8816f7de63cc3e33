//! A launcher that changes one thing of what it was told. The start is to fail: because QEMU does
//! not understand it, because the jail does not have what it means, or because the machine that
//! came of it is read back.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use kiln_vmm_manager::vmm::{Qemu, QemuConfig, ShimConfig, Vmm as _, VmmError};

use super::{qemu, spec};
use crate::stage::Stage;

/// What stands in the order, and what is run instead. Quotes are those of JSON; those of the JSON
/// that stands in it are behind a backslash.
const FAULTS: &[(&str, &str)] = &[
    // Switched on.
    ("usb=off", "usb=on"),
    ("sata=off", "sata=on"),
    ("smbus=off", "smbus=on"),
    ("vmport=off", "vmport=on"),
    ("smm=off", "smm=on"),
    ("hpet=off", "hpet=on"),
    ("i8042=off", "i8042=on"),
    ("dump-guest-core=off", "dump-guest-core=on"),
    ("mem-merge=off", "mem-merge=on"),
    ("svm=off", "svm=on"),
    ("cx16=off", "cx16=on"),
    (r#""-sandbox","on,"#, r#""-sandbox","off,"#),
    ("spawn=deny", "spawn=allow"),
    ("elevateprivileges=deny", "elevateprivileges=allow"),
    ("resourcecontrol=deny", "resourcecontrol=allow"),
    ("obsolete=deny", "obsolete=allow"),
    // Dropped.
    (r#""-nodefaults","#, ""),
    (r#""-no-user-config","#, ""),
    (r#""-no-reboot","#, ""),
    (r#""-S","#, ""),
    (r#""-nic","none","#, ""),
    (r#""-display","none","#, ""),
    ("vmx=off,svm=off,", ""),
    (",memory-backend=memory", ""),
    (",spawn=deny", ""),
    (r#"\"share\":true,"#, ""),
    ("-bios", "-uuid"),
    // Misspelt.
    ("usb=off", "ubs=off"),
    ("sata=off", "satan=off"),
    ("spawn=deny", "spwan=deny"),
    ("mem-merge=off", "memmerge=off"),
    ("dump-guest-core=off", "dump-guest-cores=off"),
    ("-no-reboot", "-noreboot"),
    (r#"\"read-only\""#, r#"\"readonly\""#),
    (r#"\"node-name\":\"disk1\""#, r#"\"node-name\":\"disk7\""#),
    (r#"\"memory-backend-memfd\""#, r#"\"memory-backend-ram\""#),
    // Another machine.
    ("q35,", "pc,"),
    (r#""-accel","tcg,thread=multi"#, r#""-accel","kvm,"#),
    (r#""max,"#, r#""qemu64,"#),
    (r#""-smp","1,sockets=1,cores=1"#, r#""-smp","2,sockets=1,cores=2"#),
    (r#""256M""#, r#""128M""#),
    (r#"\"driver\":\"raw\""#, r#"\"driver\":\"qcow2\""#),
    (r#"\"read-only\":true"#, r#"\"read-only\":false"#),
    (r#"\"no-flush\":true"#, r#"\"no-flush\":false"#),
    (r#"\"serial\":\"kiln-root\""#, r#"\"serial\":\"kiln-toor\""#),
    ("console=ttyS0", "console=ttyS1"),
    // One thing more.
    (r#""-nic","none""#, r#""-nic","user""#),
    (r#""-S","#, r#""-S","-device","virtio-rng-pci","#),
    (r#""-S","#, r#""-S","-device","usb-ehci","#),
    (r#""-S","#, r#""-S","-chardev","null,id=more","#),
    (r#""-S","#, r#""-S","-gdb","tcp::4321","#),
    (r#""-S","#, r#""-S","-device","isa-debugcon,chardev=serial","#),
];

pub(crate) async fn a_machine_other_than_asked_is_not_made() {
    let stage = Stage::new();
    let honest = qemu(&stage).await;
    let spec = spec(&stage).await;
    let launcher = stage.directory().with_file_name("launcher");
    let config =
        QemuConfig { shim: ShimConfig { program: launcher.clone() }, ..honest.config().clone() };
    let faulty = Qemu::probe(config).await.unwrap();
    let shim = &stage.shim.program;

    // The launcher itself is none of the faults.
    changing(&launcher, shim, "no such thing", "");
    faulty.create(spec.clone()).await.unwrap().kill().await;
    let (mut by_qemu, mut by_us) = (0, 0);
    for (asked, instead) in FAULTS {
        changing(&launcher, shim, asked, instead);
        match faulty.create(spec.clone()).await {
            Ok(machine) => {
                machine.kill().await;
                panic!("a machine was made with {instead:?} for {asked:?}");
            }
            Err(VmmError::ReadBack { .. }) => by_us += 1,
            Err(_) => by_qemu += 1,
        }
    }
    assert!(by_us + by_qemu >= 30 && by_us >= 20 && by_qemu >= 5, "{by_us} and {by_qemu}");
}

/// A launcher that runs `shim` with every `asked` in its order replaced.
fn changing(launcher: &Path, shim: &Path, asked: &str, instead: &str) {
    let special = |characters: &'static str| {
        move |character: char| {
            let escape = if characters.contains(character) { "\\" } else { "" };
            [escape.to_owned(), character.to_string()].concat()
        }
    };
    let asked: String = asked.chars().map(special(r"\.*[]^$|")).collect();
    let instead: String = instead.chars().map(special(r"\&|")).collect();
    let rules = launcher.with_extension("sed");
    fs::write(&rules, format!("s|{asked}|{instead}|g\n")).unwrap();
    // The order is a line; what comes behind it is passed on as it is. The launcher itself becomes
    // the supervisor, whose first process ends as soon as the machine runs.
    let script = format!(
        "#!/bin/sh\nrm -f {pipe}; mkfifo {pipe}; exec 3<&0\n\
         {{ IFS= read -r order; printf '%s\\n' \"$order\" | sed -f {rules}; exec cat; }} <&3 > {pipe} &\n\
         exec {shim} < {pipe} 3<&-\n",
        pipe = launcher.with_extension("pipe").display(),
        rules = rules.display(),
        shim = shim.display()
    );
    fs::write(launcher, script).unwrap();
    fs::set_permissions(launcher, fs::Permissions::from_mode(0o755)).unwrap();
}
