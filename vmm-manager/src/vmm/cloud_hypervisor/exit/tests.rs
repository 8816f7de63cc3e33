use kiln_shim::ProcessIdentity;

use super::*;

const OFF: &str = "INFO VM guest exit event\nINFO Event: source = vm event = shutdown \n";
const FAULT: &str = "INFO VM booted\nERROR VCPU generated error: VcpuRun(\n    Internal)\nINFO VM exit \
                     event\nINFO Cloud Hypervisor exited successfully\n";

fn record(stderr: &str, heard: &str, stopping: bool, end: End, oom_kills: u64) -> SupervisedEnd {
    SupervisedEnd::Ended(ExitRecord {
        major: 1,
        minor: 0,
        process: ProcessIdentity { pid: 1, start_time: 1 },
        stopping,
        first: NAME.to_owned(),
        children: vec![ChildExit {
            name: NAME.to_owned(),
            end,
            stderr: stderr.to_owned(),
            heard: heard.to_owned(),
        }],
        oom_kills,
        memory_limit_bytes: Some(1 << 30),
    })
}

fn check(
    (stderr, heard): (&str, &str),
    stopping: bool,
    end: End,
    oom_kills: u64,
    expected: &VmExit,
) {
    let end = record(stderr, heard, stopping, end, oom_kills);
    assert_eq!(&exit(&end), expected, "{end:?}");
}

#[test]
fn the_cause_is_the_first_of_those_that_explain_the_end() {
    use End::{Code, Signal};
    let rebooting =
        "{\n  \"source\": \"vm\",\n  \"event\": \"rebooting\",\n  \"properties\": null\n}";
    let killed = |stderr: &str| VmExit::Killed { signal: 9, stderr: stderr.to_owned() };
    let oom = VmExit::OutOfMemory { limit_bytes: 1 << 30 };
    check((OFF, ""), false, Code(0), 0, &VmExit::PoweredOff);
    check((OFF, ""), true, Code(0), 0, &VmExit::PoweredOff);
    check(("", rebooting), false, Signal(9), 0, &VmExit::Reset);
    check(("", rebooting), true, Signal(9), 3, &VmExit::Reset);
    check(("INFO VM exit event", ""), true, Code(0), 0, &VmExit::Stopped);
    check(("", ""), true, Signal(9), 1, &VmExit::Stopped);
    check(("", ""), false, Signal(9), 1, &oom);
    check(("WARN low\x1b\nINFO well", ""), false, Signal(9), 0, &killed("WARN low\u{fffd}"));
    let stderr = "ERROR VCPU generated error: VcpuRun(\n    Internal)".to_owned();
    check((FAULT, ""), false, Code(0), 0, &VmExit::Failed { code: 0, stderr });
    let ended = VmExit::Failed { code: 0, stderr: String::new() };
    check(("INFO VM exit event", ""), false, Code(0), 0, &ended);
    let refused = VmExit::Failed { code: 2, stderr: "error: unexpected".to_owned() };
    check(("error: unexpected", ""), false, Code(2), 1, &refused);
    // Another release's words.
    check(("INFO the guest has gone", ""), false, Code(0), 0, &VmExit::PoweredOff);
    assert_eq!(exit(&SupervisedEnd::Lost { killed: true }), VmExit::Stopped);
    assert_eq!(exit(&SupervisedEnd::Lost { killed: false }), VmExit::SupervisorLost);
}
