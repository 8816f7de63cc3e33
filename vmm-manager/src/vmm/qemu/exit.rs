//! What a supervisor's record of QEMU's end means.
//!
//! QEMU's exit code says nothing of the guest: it is 0 when the guest switched itself off, when it
//! reset itself, and when QEMU was asked to end. Its SHUTDOWN event does, and the supervisor hears
//! it on a monitor of its own: so the reason is known though no daemon was there.

use super::{bridge, monitor::ShutdownReason, start::NAME};
use crate::{
    guest::text::printable,
    vmm::{
        VmExit, gateway,
        supervisor::{ChildExit, End, ExitRecord, SupervisedEnd},
    },
};

const KILL: i32 = 9;

/// The guest's own deed first, then ours, then what befell the processes.
pub(super) fn exit(end: &SupervisedEnd) -> VmExit {
    let record = match end {
        SupervisedEnd::Ended(record) => record,
        SupervisedEnd::Lost { killed: true } => return VmExit::Stopped,
        SupervisedEnd::Lost { killed: false } => return VmExit::SupervisorLost,
    };
    let Some(qemu) = record.child(NAME) else { return VmExit::SupervisorLost };
    match ShutdownReason::last_words(&qemu.heard) {
        Some(ShutdownReason::GuestPoweredOff) => return VmExit::PoweredOff,
        Some(ShutdownReason::GuestReset | ShutdownReason::GuestPanicked) => return VmExit::Reset,
        Some(ShutdownReason::Host) | None => {}
    }
    if record.stopping {
        return VmExit::Stopped;
    }
    if let Some(limit_bytes) = out_of_memory(record) {
        return VmExit::OutOfMemory { limit_bytes };
    }
    if record.first == bridge::NAME
        && let Some(bridge) = record.child(bridge::NAME)
    {
        let stderr = shown(bridge);
        let stderr = if stderr.is_empty() { stderr } else { format!(": {stderr}") };
        return VmExit::BridgeLost { cause: format!("{}{stderr}", bridge.end) };
    }
    if record.first == gateway::NAME
        && let Some(gateway) = record.child(gateway::NAME)
    {
        return gateway::lost(gateway, &shown(gateway));
    }
    let stderr = shown(qemu);
    match qemu.end {
        End::Signal(signal) => VmExit::Killed { signal, stderr },
        End::Code(code) => VmExit::Failed { code, stderr },
    }
}

/// The limit, when the kernel's killing for it is what ended the machine.
fn out_of_memory(record: &ExitRecord) -> Option<u64> {
    let first = record.child(&record.first)?;
    let killed = record.oom_kills > 0 && first.end == End::Signal(KILL);
    killed.then_some(record.memory_limit_bytes.unwrap_or_default())
}

fn shown(child: &ChildExit) -> String {
    child.stderr.trim().lines().map(printable).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use kiln_shim::ProcessIdentity;

    use super::*;

    fn said(reason: &str) -> String {
        format!(
            "lf a line\n{{\"QMP\": {{}}}}\n{{\"return\": {{}}}}\n\
             {{\"event\": \"SHUTDOWN\", \"data\": {{\"guest\": true, \"reason\": \"{reason}\"}}}}\n"
        )
    }

    fn record(
        heard: &str,
        stopping: bool,
        first: &str,
        qemu: End,
        oom_kills: u64,
    ) -> SupervisedEnd {
        let child = |name: &str, end, heard: &str| ChildExit {
            name: name.to_owned(),
            end,
            stderr: "oh\x1b".to_owned(),
            heard: heard.to_owned(),
        };
        SupervisedEnd::Ended(ExitRecord {
            major: 1,
            minor: 0,
            process: ProcessIdentity { pid: 1, start_time: 1 },
            stopping,
            first: first.to_owned(),
            children: vec![
                child("gateway", End::Code(1), ""),
                child("bridge", End::Signal(KILL), ""),
                child("qemu", qemu, heard),
            ],
            oom_kills,
            memory_limit_bytes: Some(1 << 30),
        })
    }

    fn check(
        heard: &str,
        stopping: bool,
        first: &str,
        qemu: End,
        oom_kills: u64,
        expected: &VmExit,
    ) {
        let end = record(heard, stopping, first, qemu, oom_kills);
        assert_eq!(&exit(&end), expected, "{end:?}");
    }

    #[test]
    fn the_cause_is_the_first_of_those_that_explain_the_end() {
        use End::{Code, Signal};
        let stderr = || "oh\u{fffd}".to_owned();
        let killed = VmExit::Killed { signal: 9, stderr: stderr() };
        let failed = |code| VmExit::Failed { code, stderr: stderr() };
        let lost = VmExit::BridgeLost { cause: "was killed by signal 9: oh\u{fffd}".to_owned() };
        let oom = VmExit::OutOfMemory { limit_bytes: 1 << 30 };
        let off = said("guest-shutdown");
        check(&off, false, "qemu", Code(0), 0, &VmExit::PoweredOff);
        check(&off, true, "qemu", Signal(9), 3, &VmExit::PoweredOff);
        check(
            &format!("{off}{}", said("host-signal")),
            false,
            "qemu",
            Code(0),
            0,
            &VmExit::PoweredOff,
        );
        check(&said("guest-reset"), false, "qemu", Code(0), 0, &VmExit::Reset);
        check(&said("guest-panic"), false, "qemu", Code(0), 0, &VmExit::Reset);
        check(&said("host-qmp-quit"), true, "qemu", Code(0), 0, &VmExit::Stopped);
        check("", true, "qemu", Signal(9), 0, &VmExit::Stopped);
        check("", true, "bridge", Signal(9), 0, &VmExit::Stopped);
        check("", false, "bridge", Signal(9), 0, &lost);
        check("", false, "bridge", Signal(9), 1, &oom);
        let lost = VmExit::GatewayLost { cause: "exited with code 1: oh\u{fffd}".to_owned() };
        check("", false, "gateway", Signal(9), 0, &lost);
        check("", true, "gateway", Signal(9), 0, &VmExit::Stopped);
        check(&off, false, "gateway", Signal(9), 0, &VmExit::PoweredOff);
        check("", false, "qemu", Signal(9), 2, &oom);
        check("", false, "qemu", Code(1), 2, &failed(1));
        check("", false, "qemu", Signal(9), 0, &killed);
        check("", false, "qemu", Code(1), 0, &failed(1));
        check(&said("host-qmp-quit"), false, "qemu", Code(0), 0, &failed(0));
        assert_eq!(exit(&SupervisedEnd::Lost { killed: true }), VmExit::Stopped);
        assert_eq!(exit(&SupervisedEnd::Lost { killed: false }), VmExit::SupervisorLost);
    }
}
