//! Whether a job could ever run on this host. Pure: what the host has is handed in.

use crate::job::JobSpec;

/// What one job may have of this host.
#[derive(Clone, Copy, Debug)]
pub struct Capacity {
    pub cpus: u32,
    /// For VMs, all together: what their jobs ask for and each one's reserve.
    pub memory_bytes: u64,
    /// What the home's file system has free.
    pub disk_bytes: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("asks for {asked} and this host gives a job at most {limit}")]
pub struct Refusal {
    /// The field of the spec that asks for too much.
    pub field: &'static str,
    pub asked: u64,
    pub limit: u64,
}

pub fn admit(spec: &JobSpec, capacity: &Capacity) -> Result<(), Refusal> {
    let memory_limit = capacity.memory_bytes.saturating_sub(JobSpec::RESERVE_BYTES);
    let checks = [
        ("spec.cpus", u64::from(spec.cpus), u64::from(capacity.cpus)),
        ("spec.memory_bytes", spec.memory_bytes, memory_limit),
        ("spec.disk_bytes", spec.disk_bytes, capacity.disk_bytes),
    ];
    for (field, asked, limit) in checks {
        if asked > limit {
            return Err(Refusal { field, asked, limit });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::job::{Exec, Work};

    prop_compose! {
        fn specs()(cpus in 1..200_u32, memory in 1..1_u64 << 40, disk in 1..1_u64 << 50) -> JobSpec {
            let exec = Exec {
                argv: vec!["true".to_owned()],
                env: Vec::new(),
                workdir: String::new(),
                user: String::new(),
                stdin: false,
            };
            JobSpec {
                cpus,
                memory_bytes: memory,
                disk_bytes: disk,
                timeout: None,
                attach: false,
                work: Work::Exec(exec),
            }
        }
    }

    proptest! {
        #[test]
        fn what_is_admitted_fits_and_what_is_refused_does_not(
            spec in specs(),
            cpus in 1..100_u32,
            memory_bytes in 0..1_u64 << 40,
            disk_bytes in 0..1_u64 << 50,
        ) {
            let capacity = Capacity { cpus, memory_bytes, disk_bytes };
            let fits = spec.cpus <= cpus
                && spec.memory_bytes + JobSpec::RESERVE_BYTES <= memory_bytes
                && spec.disk_bytes <= disk_bytes;
            match admit(&spec, &capacity) {
                Ok(()) => prop_assert!(fits),
                Err(refusal) => {
                    prop_assert!(!fits);
                    prop_assert!(refusal.asked > refusal.limit);
                }
            }
        }
    }
}
