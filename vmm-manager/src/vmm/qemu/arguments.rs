//! QEMU's command line.
//!
//! What a guest is not given costs it no time to probe: no firmware devices beyond what q35 needs
//! for ACPI and its power button, no USB, SATA, `SMBus`, floppy, display or network. Options that
//! carry paths are JSON, in which a comma or an equals sign is only a character.

use std::os::fd::RawFd;

use serde_json::{Value, json};

use super::{Accelerator, TRANSLATION_MEBIBYTES, firmware::Firmware, network::NetworkDevice};
use crate::vmm::{Disk, VmSpec, gateway::DEVICE};

/// Descriptors that QEMU is born with.
pub(super) const VSOCK: RawFd = 100;
/// Listens, for one daemon after the other.
pub(super) const MONITOR: RawFd = 101;
/// The supervisor's: who hears the reason of QEMU's end, though no daemon be there.
pub(super) const LAST_WORDS: RawFd = 102;

/// The guest's end of its network.
pub(super) const TAP: RawFd = 103;

/// No machines inside the machine: what is not offered cannot be attacked.
const NOT_NESTED: &str = "vmx=off,svm=off";

/// The node of the disk at `index`; the read-back finds it by this name.
pub(super) fn disk_node(index: usize) -> String {
    format!("disk{index}")
}

/// And of the file below it.
pub(super) fn disk_file_node(index: usize) -> String {
    format!("file{index}")
}

pub(super) fn render(
    spec: &VmSpec,
    accelerator: Accelerator,
    firmware: &Firmware,
    device: &NetworkDevice,
) -> Vec<String> {
    let VmSpec {
        name,
        instance: _,
        cid: _,
        user: _,
        cgroup: _,
        directory: _is_the_working_directory,
        cpus,
        memory_bytes,
        kernel,
        initramfs,
        command_line,
        disks,
        network,
    } = spec;
    let mut line = Line::default();
    // In process lists alone.
    line.option("-name", name.replace(',', ",,"));
    for flag in ["-nodefaults", "-no-user-config", "-no-reboot", "-S"] {
        line.flag(flag);
    }
    line.option("-display", "none");
    line.option("-nic", "none");
    // QEMU gives up what it never needs again: new privileges, other programs, old system calls.
    line.option(
        "-sandbox",
        "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny",
    );
    line.option(
        "-machine",
        "q35,usb=off,sata=off,smbus=off,vmport=off,smm=off,hpet=off,i8042=off,\
         dump-guest-core=off,mem-merge=off,memory-backend=memory",
    );
    match accelerator {
        Accelerator::Kvm => {
            line.option("-accel", "kvm");
            line.option("-cpu", format!("host,{NOT_NESTED}"));
        }
        Accelerator::Tcg => {
            line.option("-accel", format!("tcg,thread=multi,tb-size={TRANSLATION_MEBIBYTES}"));
            // With cx16, QEMU 7.2 double-faults kernel 6.12 in one boot of ten under load.
            line.option("-cpu", format!("max,{NOT_NESTED},cx16=off"));
        }
    }
    line.option("-smp", format!("{cpus},sockets=1,cores={cpus},threads=1"));
    line.option("-m", format!("{}M", memory_bytes >> 20));
    // Shared: the vsock bridge reads the guest's rings in it.
    line.object(
        "-object",
        &json!({"qom-type": "memory-backend-memfd", "id": "memory", "size": memory_bytes, "share": true}),
    );
    for directory in firmware.directories() {
        line.option("-L", directory.display().to_string());
    }
    if let Some(boot) = firmware.boot() {
        line.option("-bios", boot.display().to_string());
    }
    line.option("-kernel", kernel.display().to_string());
    line.option("-initrd", initramfs.display().to_string());
    line.option("-append", command_line.clone());
    // Its supervisor always drains stdout, so the guest's console never makes it wait.
    line.option("-chardev", "stdio,id=serial,signal=off");
    line.option("-serial", "chardev:serial");
    line.option("-chardev", format!("socket,id=monitor,fd={MONITOR},server=on,wait=off"));
    line.option("-mon", "chardev=monitor,mode=control");
    line.option("-chardev", format!("socket,id=words,fd={LAST_WORDS}"));
    line.option("-mon", "chardev=words,mode=control");
    line.option("-chardev", format!("socket,id=vsock,fd={VSOCK}"));
    line.object(
        "-device",
        &json!({"driver": "vhost-user-vsock-pci", "id": "vsock", "chardev": "vsock"}),
    );
    for (index, disk) in disks.iter().enumerate() {
        line.object("-blockdev", &block_device(index, disk));
        line.object(
            "-device",
            &json!({
                "driver": "virtio-blk-pci",
                "id": disk_node(index),
                "drive": disk_node(index),
                "serial": disk.serial,
            }),
        );
    }
    if network.is_some() {
        line.option("-netdev", format!("tap,id={DEVICE},fd={TAP},vhost=off"));
        line.object("-device", &device.render());
    }
    line.arguments
}

/// Always raw, so that no header which a guest may have written is ever read.
fn block_device(index: usize, disk: &Disk) -> Value {
    // Nothing that a job writes outlives its VM, nor the host: flushes would only cost time.
    let cache = json!({"direct": false, "no-flush": !disk.read_only});
    json!({
        "driver": "raw",
        "node-name": disk_node(index),
        "read-only": disk.read_only,
        "discard": "unmap",
        "cache": cache,
        "file": {
            "driver": "file",
            "node-name": disk_file_node(index),
            "filename": disk.path,
            "read-only": disk.read_only,
            "discard": "unmap",
            "aio": "threads",
            // Whoever shares a file, as all VMs do their root, shares it read-only; other VMMs' locks
            // on it are not meant for us.
            "locking": "off",
            "cache": cache,
        },
    })
}

#[derive(Debug, Default)]
struct Line {
    arguments: Vec<String>,
}

impl Line {
    fn flag(&mut self, name: &str) {
        self.arguments.push(name.to_owned());
    }

    fn option(&mut self, name: &str, value: impl Into<String>) {
        self.flag(name);
        self.arguments.push(value.into());
    }

    fn object(&mut self, name: &str, value: &Value) {
        self.option(name, value.to_string());
    }
}

#[cfg(test)]
mod tests {
    use super::{Accelerator, Disk, Firmware, NetworkDevice, VmSpec, render};
    use crate::vmm::gateway::tests::network;

    fn spec() -> VmSpec {
        let disk = |serial: &'static str, path: &str, read_only| Disk {
            serial: serial.into(),
            path: path.into(),
            read_only,
        };
        VmSpec {
            name: "job,1".into(),
            instance: "0badcafe".into(),
            cid: 7,
            user: None,
            cgroup: None,
            directory: "/vm".into(),
            cpus: 2,
            memory_bytes: 704 << 20,
            kernel: "/image/vmlinux".into(),
            initramfs: "/image/initramfs.cpio".into(),
            command_line: "console=ttyS0 quiet".into(),
            disks: vec![
                disk("kiln-root", "/image/root,file=x.ext4", true),
                disk("kiln-scratch", "/vm/scratch", false),
            ],
            network: None,
        }
    }

    fn check(accelerator: Accelerator, expected: &[&str]) {
        check_line(&line(&spec(), accelerator), expected);
    }

    fn line(spec: &VmSpec, accelerator: Accelerator) -> String {
        let firmware = Firmware::new("/roms/q.rom");
        render(spec, accelerator, &firmware, &NetworkDevice::known("")).join(" ")
    }

    fn check_line(line: &str, expected: &[&str]) {
        for part in expected {
            assert!(line.contains(part), "{part} in {line}");
        }
    }

    #[test]
    fn a_machine_is_rendered_with_its_limits() {
        let common = [
            "-name job,,1 ",
            "-smp 2,sockets=1,cores=2,threads=1 -m 704M ",
            r#""qom-type":"memory-backend-memfd","share":true,"size":738197504"#,
            "-L /roms -bios /roms/q.rom -kernel /image/vmlinux ",
            "-append console=ttyS0 quiet ",
            "-chardev socket,id=monitor,fd=101,server=on,wait=off -mon chardev=monitor,mode=control ",
            "-chardev socket,id=words,fd=102 -mon chardev=words,mode=control ",
            "-chardev socket,id=vsock,fd=100 ",
        ];
        check(Accelerator::Tcg, &common);
        check(Accelerator::Kvm, &common);
        check(
            Accelerator::Tcg,
            &["-accel tcg,thread=multi,tb-size=512 -cpu max,vmx=off,svm=off,cx16=off "],
        );
        check(Accelerator::Kvm, &["-accel kvm -cpu host,vmx=off,svm=off "]);
    }

    #[test]
    fn a_network_is_a_tap_that_it_is_born_with() {
        let without = line(&spec(), Accelerator::Tcg);
        assert!(!without.contains("netdev") && !without.contains("virtio-net"), "{without}");
        let with = VmSpec { network: Some(network(false)), ..spec() };
        let expected = [
            "-nic none ",
            "-netdev tap,id=net0,fd=103,vhost=off -device ",
            r#""driver":"virtio-net-pci""#,
            r#""mac":"02:4b:69:6c:6e:02""#,
            r#""romfile":"""#,
            r#""ctrl_vq":false"#,
            r#""host_ufo":false"#,
        ];
        for accelerator in [Accelerator::Tcg, Accelerator::Kvm] {
            check_line(&line(&with, accelerator), &expected);
        }
    }

    #[test]
    fn a_disk_is_raw_and_its_path_only_a_path() {
        check(
            Accelerator::Tcg,
            &[
                r#""driver":"raw","file":{"aio":"threads","cache":{"direct":false,"no-flush":false},"discard":"unmap","driver":"file","filename":"/image/root,file=x.ext4","locking":"off","node-name":"file0","read-only":true},"node-name":"disk0","read-only":true}"#,
                r#""node-name":"disk1","read-only":false"#,
                r#"{"drive":"disk1","driver":"virtio-blk-pci","id":"disk1","serial":"kiln-scratch"}"#,
            ],
        );
    }
}
