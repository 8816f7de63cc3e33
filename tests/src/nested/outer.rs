//! The outer host: an emulated machine in which there is a real KVM.
//!
//! QEMU emulates a processor with AMD's virtualization and nested pages; the guest image's own kernel
//! boots on it with `kvm-amd`, with the golden root as user space. Everything else is on one disk that
//! is made anew for each run: the programs, the guest image for the guests in it, and room for jobs.
//! The report leaves over a serial port of its own, so what else is said stays out of it.
//!
//! One virtual CPU: emulated ones that wait for each other are slower than one alone.

mod disk;
mod initramfs;

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::Context as _;
use kiln_images::GuestImage;

use super::place::Parts;
use crate::Settings;

const MEMORY: &str = "3G";
/// What makes nested guests faster, and is no loss on a machine that lives for minutes.
const COMMAND_LINE: &str = "mitigations=off nokaslr tsc=reliable";
/// Without AMD-V's own instructions guests of guests can't be; `cx16` is left out because QEMU 7.2
/// makes a kernel with it fail now and then.
const CPU: &str = "max,cx16=off,+svm,+npt";

/// Where things are inside.
pub(super) mod inside {
    pub(in crate::nested) const ROOT: &str = "/kiln";
    pub(in crate::nested) const PROGRAMS: &str = "/kiln/bin";
    pub(in crate::nested) const IMAGE: &str = "/kiln/image";
    pub(in crate::nested) const TEMPORARY: &str = "/kiln/tmp";
    pub(in crate::nested) const REPORT: &str = "/dev/ttyS1";
}

/// What a machine in `directory` writes.
pub(super) fn console(directory: &Path) -> PathBuf {
    directory.join("console.log")
}

pub(super) fn report(directory: &Path) -> PathBuf {
    directory.join("report.jsonl")
}

/// The machine, ready to be started.
pub(super) fn machine(
    parts: &Parts,
    settings: &Settings,
    environment: &[(&str, String)],
    directory: &Path,
) -> anyhow::Result<Command> {
    let image = GuestImage::open(&settings.guest_image)?;
    let initramfs = directory.join("outer.cpio");
    std::fs::write(&initramfs, initramfs::make(parts, &image, directory)?)?;
    let disk = directory.join("outer.raw");
    disk::make(parts, settings, &image, environment, &disk).context("the outer host's disk")?;
    let (console, report) = (console(directory), report(directory));
    for output in [&console, &report] {
        File::create(output)?;
    }

    let mut command = Command::new("setpriv");
    command
        .args(["--pdeathsig", "KILL"])
        .arg(&parts.qemu)
        .args(["-nodefaults", "-no-user-config", "-no-reboot", "-display", "none", "-nic", "none"])
        .args(["-accel", "tcg,thread=multi,tb-size=512", "-cpu", CPU, "-smp", "1", "-m", MEMORY])
        .args(["-machine", "q35,usb=off,sata=off,smbus=off,vmport=off,smm=off,hpet=off,i8042=off"])
        .args([Path::new("-kernel"), &image.kernel.path, Path::new("-initrd"), &initramfs])
        .args(["-append", &format!("{} {COMMAND_LINE}", image.command_line)]);
    for output in [&console, &report] {
        command.args(["-serial", &format!("file:{}", output.display())]);
    }
    for (name, path, options) in
        [("root", &image.root.path, "read-only=on"), ("disk", &disk, "cache.no-flush=on")]
    {
        let path = path.display();
        let drive =
            format!("driver=raw,node-name={name},{options},file.driver=file,file.filename={path}");
        command.args(["-blockdev", &drive, "-device", &format!("virtio-blk-pci,drive={name}")]);
    }
    command.stdin(Stdio::null()).stdout(Stdio::null());
    Ok(command)
}
