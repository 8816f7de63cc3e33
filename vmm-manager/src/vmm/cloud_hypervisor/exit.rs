//! What a supervisor's record of Cloud Hypervisor's end means.
//!
//! Its exit code says nothing of the guest: it is 0 when the guest switched itself off, when Cloud
//! Hypervisor was asked to end, and when one of its threads gave up. Its log tells them apart, and
//! is written before it goes on. A reset is not its end at all; it tells it as an event, on which
//! the supervisor ends it.

use super::start::NAME;
use crate::{
    guest::text::printable,
    vmm::{
        VmExit, gateway,
        supervisor::{ChildExit, End, ExitRecord, SupervisedEnd},
    },
};

/// Of its event that the guest has reset itself, as it is laid out; the supervisor ends the machine
/// at it.
pub(super) const REBOOTING: &str = "\"event\": \"rebooting\"";
/// Of its log: the guest has switched itself off.
const GUEST_EXIT: &str = "INFO VM guest exit event";
/// Of its log: something else has ended it, a thread that gave up or a signal.
const VMM_EXIT: &str = "INFO VM exit event";
/// How lines of its log begin that a person should see.
const GRAVE: [&str; 2] = ["ERROR ", "WARN "];
const INFO: &str = "INFO ";
const KILL: i32 = 9;

/// The guest's own deed first, then ours, then what befell the process.
pub(super) fn exit(end: &SupervisedEnd) -> VmExit {
    let record = match end {
        SupervisedEnd::Ended(record) => record,
        SupervisedEnd::Lost { killed: true } => return VmExit::Stopped,
        SupervisedEnd::Lost { killed: false } => return VmExit::SupervisorLost,
    };
    let Some(vmm) = record.child(NAME) else { return VmExit::SupervisorLost };
    if vmm.heard.contains(REBOOTING) {
        return VmExit::Reset;
    }
    if says(vmm, GUEST_EXIT) {
        return VmExit::PoweredOff;
    }
    if record.stopping {
        return VmExit::Stopped;
    }
    if let Some(limit_bytes) = out_of_memory(record, vmm) {
        return VmExit::OutOfMemory { limit_bytes };
    }
    if record.first == gateway::NAME
        && let Some(gateway) = record.child(gateway::NAME)
    {
        let shown: Vec<_> = gateway.stderr.trim().lines().map(printable).collect();
        return gateway::lost(gateway, &shown.join("\n"));
    }
    let stderr = shown(vmm);
    match vmm.end {
        End::Signal(signal) => VmExit::Killed { signal, stderr },
        // A release that words its log otherwise: nothing went wrong, and it is not ours to end.
        End::Code(0) if !says(vmm, VMM_EXIT) && stderr.is_empty() => VmExit::PoweredOff,
        End::Code(code) => VmExit::Failed { code, stderr },
    }
}

/// The limit, when the kernel's killing for it is what ended the machine.
fn out_of_memory(record: &ExitRecord, vmm: &ChildExit) -> Option<u64> {
    let killed = record.oom_kills > 0 && vmm.end == End::Signal(KILL);
    killed.then_some(record.memory_limit_bytes.unwrap_or_default())
}

fn says(vmm: &ChildExit, line: &str) -> bool {
    vmm.stderr.lines().any(|said| said.trim_end() == line)
}

/// Warnings, errors and what is no line of its log; such lines go on until the next one of it.
fn shown(vmm: &ChildExit) -> String {
    let mut lines = Vec::new();
    let mut grave = true;
    for line in vmm.stderr.trim().lines() {
        if GRAVE.iter().any(|level| line.starts_with(level)) {
            grave = true;
        } else if line.starts_with(INFO) {
            grave = false;
        }
        if grave {
            lines.push(printable(line));
        }
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests;
