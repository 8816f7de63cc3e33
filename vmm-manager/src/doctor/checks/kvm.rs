//! The processor's virtualisation, as far as it can be seen without a guest.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
};

use crate::doctor::report::{Area, Check};

const DEVICE: &str = "/dev/kvm";
/// `_IO(0xae, 0x00)` and `_IO(0xae, 0x01)`.
const KVM_GET_API_VERSION: libc::c_ulong = 0xae00;
const KVM_CREATE_VM: libc::c_ulong = 0xae01;
const API_VERSION: i32 = 12;

pub(super) fn checks() -> Vec<Check> {
    vec![device(), flags(&fs::read_to_string("/proc/cpuinfo").unwrap_or_default()), nesting()]
}

/// What is wrong with it decides nothing here: the guests' verdicts do.
fn device() -> Check {
    let (area, name) = (Area::Processor, DEVICE);
    let device = match OpenOptions::new().read(true).write(true).open(DEVICE) {
        Ok(device) => device,
        Err(error) => {
            return Check::warning(area, name, format!("cannot be opened: {error}")).mend(
                "switch virtualisation on in the firmware, or nesting in the host above, load \
                 kvm_amd or kvm_intel, and run as root",
            );
        }
    };
    match make_vm(&device) {
        Ok(()) => Check::ok(area, name, "an empty VM was made and removed"),
        Err(error) => Check::warning(area, name, format!("makes no VM: {error}"))
            .mend("another hypervisor may hold the processor: see the kernel's log"),
    }
}

fn make_vm(device: &File) -> io::Result<()> {
    // SAFETY: neither request takes an argument that the kernel would follow.
    let ask = |request| unsafe { libc::ioctl(device.as_raw_fd(), request, 0) };
    let version = ask(KVM_GET_API_VERSION);
    if version != API_VERSION {
        return Err(io::Error::other(format!("it speaks version {version}")));
    }
    let machine = ask(KVM_CREATE_VM);
    if machine < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: made just now, and nobody else's; closing it removes the VM.
    drop(unsafe { OwnedFd::from_raw_fd(machine) });
    Ok(())
}

fn flags(cpuinfo: &str) -> Check {
    let (area, name) = (Area::Processor, "hardware virtualisation");
    let flags = cpuinfo.lines().find_map(|line| line.strip_prefix("flags")).unwrap_or_default();
    let has = |flag: &str| flags.split_whitespace().any(|found| found == flag);
    let inside = if has("hypervisor") { ", inside another VM" } else { "" };
    match (has("vmx"), has("svm")) {
        (true, _) => Check::ok(area, name, format!("VT-x{inside}")),
        (_, true) => Check::ok(area, name, format!("AMD-V{inside}")),
        _ if cfg!(target_arch = "x86_64") => {
            Check::note(area, name, format!("the processor shows none{inside}"))
                .mend("switch it on in the firmware, or nesting in the host above")
        }
        _ => Check::note(area, name, "this architecture tells it in no flag"),
    }
}

/// Whether guests of ours could have guests: a wider surface than a job needs.
fn nesting() -> Check {
    let (area, name) = (Area::Processor, "nested guests");
    let allowed = ["kvm_amd", "kvm_intel"].iter().any(|module| {
        let file = format!("/sys/module/{module}/parameters/nested");
        fs::read_to_string(file).is_ok_and(|value| matches!(value.trim(), "1" | "Y"))
    });
    if allowed {
        Check::note(area, name, "KVM would let guests have guests; no job needs it")
            .mend("load kvm_amd or kvm_intel with nested=0")
    } else {
        Check::ok(area, name, "not allowed by KVM")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::report::Finding;

    #[test]
    fn flags_are_whole_words() {
        let check = |flags_line: &str, expected: Finding, words: &str| {
            let check = flags(&format!("vendor_id\t: x\nflags\t\t: {flags_line}\n"));
            assert_eq!(check.finding, expected, "{flags_line}");
            assert!(check.found.contains(words), "{check:?}");
        };
        check("fpu vmx ept", Finding::Ok, "VT-x");
        check("fpu svm hypervisor", Finding::Ok, "AMD-V, inside another VM");
        check("fpu svme_addr_chk vmxx", Finding::Note, "none");
        check("", Finding::Note, "none");
    }
}
