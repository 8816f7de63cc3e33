//! What tenants share of a core, and of memory that is the same.

use std::fs;

use rustix::{
    process::getpid,
    thread::{CoreSchedulingScope, create_core_scheduling_cookie},
};

use super::child::attempt_in_child;
use crate::{
    doctor::report::{Area, Check},
    host::has_threads,
};

pub(super) fn checks() -> Vec<Check> {
    let active = has_threads();
    // SAFETY: one system call alone, for the child itself.
    let apart = unsafe {
        attempt_in_child(|| {
            create_core_scheduling_cookie(getpid(), CoreSchedulingScope::ThreadGroup)
        })
    };
    let mut checks = threads(active, apart.is_ok());
    checks.push(merging(&read("/sys/kernel/mm/ksm/run")));
    checks
}

fn threads(active: bool, apart: bool) -> Vec<Check> {
    let (area, threads, scheduling) = (Area::Isolation, "SMT", "core scheduling");
    let off = "switch SMT off (echo off > /sys/devices/system/cpu/smt/control, or nosmt)";
    match (active, apart) {
        (false, true) => vec![
            Check::ok(area, threads, "off: no two VMs are on one core at once"),
            Check::ok(area, scheduling, "not needed, and the kernel has it"),
        ],
        (false, false) => vec![
            Check::ok(area, threads, "off: no two VMs are on one core at once"),
            Check::ok(area, scheduling, "not needed"),
        ],
        (true, true) => vec![
            Check::note(
                area,
                threads,
                "on: a core has two threads, whose caches are one; core scheduling keeps tenants \
                 apart",
            ),
            Check::ok(area, scheduling, "a VM's core runs nothing of anybody else's"),
        ],
        (true, false) => vec![
            Check::warning(
                area,
                threads,
                "on: a tenant on a core's other thread may read what a VM leaves in its caches",
            )
            .mend(off),
            Check::warning(area, scheduling, "the kernel has none")
                .mend("boot a kernel with CONFIG_SCHED_CORE, or switch SMT off"),
        ],
    }
}

fn merging(run: &str) -> Check {
    let (area, name) = (Area::Isolation, "KSM");
    match run {
        "1" => Check::warning(
            area,
            name,
            "on: the kernel merges equal pages, and a tenant can time what others have in memory",
        )
        .mend("echo 2 > /sys/kernel/mm/ksm/run"),
        "" => Check::ok(area, name, "not in this kernel: no tenant shares memory with another"),
        _ => Check::ok(area, name, "off: no tenant shares memory with another"),
    }
}

fn read(file: &str) -> String {
    fs::read_to_string(file).unwrap_or_default().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::report::Finding;

    #[test]
    fn threads_are_harmless_when_off_or_kept_apart() {
        let check = |active, apart, expected: [Finding; 2]| {
            let found: Vec<_> =
                threads(active, apart).into_iter().map(|check| check.finding).collect();
            assert_eq!(found, expected, "{active} {apart}");
        };
        check(false, false, [Finding::Ok; 2]);
        check(false, true, [Finding::Ok; 2]);
        check(true, true, [Finding::Note, Finding::Ok]);
        check(true, false, [Finding::Warning; 2]);
    }

    #[test]
    fn merged_memory_is_warned_of() {
        for (run, expected) in
            [("1", Finding::Warning), ("0", Finding::Ok), ("2", Finding::Ok), ("", Finding::Ok)]
        {
            assert_eq!(merging(run).finding, expected, "{run:?}");
        }
    }
}
