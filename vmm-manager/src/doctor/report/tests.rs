use std::time::Duration;

use super::*;
use crate::vmm::Hindrance;

fn tried(verdict: ProbeVerdict) -> Tried {
    Tried { version: Some("7.2".to_owned()), verdict, kept: false }
}

fn works() -> ProbeVerdict {
    ProbeVerdict::Works { after: Duration::from_millis(1500) }
}

/// A host on which QEMU emulates.
fn report() -> Report {
    let null_only = ProbeVerdict::NullGuestsOnly { reason: "no guest came up".to_owned() };
    let absent = ProbeVerdict::No(Hindrance::Program { reason: "it is\nnot there".to_owned() });
    let guest = |pair, tried| Guest { pair, trial: Ok(tried) };
    Report {
        guests: vec![
            guest(Pair::CloudHypervisorKvm, tried(absent.clone())),
            guest(Pair::QemuKvm, tried(null_only.clone())),
            guest(Pair::QemuTcg, tried(works())),
        ],
        driver: Driver::Picked(Choice {
            pair: Pair::QemuTcg,
            passed_over: vec![
                PassedOver { pair: Pair::CloudHypervisorKvm, why: Why::Verdict(absent) },
                PassedOver { pair: Pair::QemuKvm, why: Why::Verdict(null_only) },
            ],
        }),
        checks: vec![
            Check::ok(Area::Kilnd, "root", "kilnd runs as root"),
            Check::warning(Area::Processor, "KSM", "on").mend("switch it off"),
        ],
    }
}

fn missing() -> Check {
    Check::missing(Area::Kilnd, "image", "there is none").mend("make one")
}

#[test]
fn a_host_is_ready_when_its_driver_works_and_nothing_is_missing() {
    assert!(report().is_ready());
    let mut lacks = report();
    lacks.checks.push(missing());
    assert!(!lacks.is_ready());
    let refused = Driver::Refused { reason: "no".to_owned() };
    assert!(!Report { driver: refused, ..report() }.is_ready());
    // Emulation is picked without a trial of the daemon's own; here its trial counts.
    let mut silent = report();
    let no = ProbeVerdict::No(Hindrance::Guest { reason: "silence".to_owned() });
    silent.guests[2].trial = Ok(tried(no));
    assert!(!silent.is_ready());
    silent.guests[2].trial = Err(NotTried { reason: "no image".to_owned() });
    assert!(!silent.is_ready());
}

#[test]
fn people_read_what_is_wrong_and_how_to_mend_it() {
    let mut report = report();
    report.checks.push(missing());
    let table = table(&report);
    for line in [
        "null guests only",
        "a guest answered after 1.5 s",
        "it is not there",
        "→ install Cloud Hypervisor",
        "→ make one",
        "With these flags kilnd runs jobs with qemu under tcg: cloud-hypervisor under kvm runs no \
         guests here, qemu under kvm runs null guests only.",
        "No job could run here. Missing: image.",
    ] {
        assert!(table.contains(line), "{line} is not in\n{table}");
    }
}

#[test]
fn programs_read_one_line_with_every_key() {
    let text = json(&report()).unwrap();
    assert!(!text.contains('\n'));
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(value["schema"], 1);
    assert_eq!(value["ready"], true);
    assert_eq!(value["driver"]["vmm"], "qemu");
    assert_eq!(value["driver"]["accelerator"], "tcg");
    assert_eq!(value["driver"]["passed_over"][1]["accelerator"], "kvm");
    assert_eq!(value["refusal"], serde_json::Value::Null);
    let verdicts: Vec<_> =
        value["guests"].as_array().unwrap().iter().map(|guest| &guest["verdict"]).collect();
    assert_eq!(verdicts, ["no", "null_guests_only", "works"]);
    assert_eq!(value["guests"][2]["after_seconds"], 1.5);
    assert_eq!(value["checks"][1]["finding"], "warning");
    assert_eq!(value["checks"][1]["mend"], "switch it off");
}
