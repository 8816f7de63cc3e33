//! What a job gets of the host, and for how long.

use std::time::Duration;

use kiln_net::policy::Policy;
use kiln_proto::v1;

use super::egress;
use crate::api::field::InvalidField;

/// Where ext4 with 4 KiB blocks, and the host's own file size, are still far from their ends.
pub(super) const MOST_DISK_BYTES: u64 = 16 << 40;
const MOST_MEMORY_BYTES: u64 = 1 << 50;
const LONGEST_TIMEOUT: Duration = Duration::from_secs(30 * 24 * 3600);

/// What depends on the work; in bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Usual {
    pub(super) memory: u64,
    pub(super) least_memory: u64,
    pub(super) disk: u64,
    pub(super) least_disk: u64,
}

#[derive(Debug)]
pub(super) struct Room {
    pub(super) cpus: u32,
    pub(super) memory_bytes: u64,
    pub(super) disk_bytes: u64,
    pub(super) timeout: Option<Duration>,
    pub(super) egress: Policy,
}

/// As the request has it.
pub(super) struct Asked {
    pub(super) cpus: u32,
    pub(super) memory_bytes: u64,
    pub(super) disk_bytes: u64,
    pub(super) timeout: Option<prost_types::Duration>,
    pub(super) egress: Option<v1::Egress>,
}

pub(super) fn room(asked: Asked, usual: Usual) -> Result<Room, InvalidField> {
    let Asked { cpus, memory_bytes, disk_bytes, timeout, egress } = asked;
    let memory_bytes = or_default(memory_bytes, usual.memory);
    at_least("spec.memory_bytes", memory_bytes, usual.least_memory)?;
    if memory_bytes > MOST_MEMORY_BYTES {
        return Err(InvalidField::new("spec.memory_bytes", "is more than any host has"));
    }
    let disk_bytes = or_default(disk_bytes, usual.disk);
    at_least("spec.disk_bytes", disk_bytes, usual.least_disk)?;
    if disk_bytes > MOST_DISK_BYTES {
        return Err(InvalidField::new("spec.disk_bytes", format!("is above {MOST_DISK_BYTES}")));
    }
    Ok(Room {
        cpus: cpus.max(1),
        memory_bytes,
        // Whole sectors, and never more than was asked for.
        disk_bytes: disk_bytes / 4096 * 4096,
        timeout: timeout.map(self::timeout).transpose()?,
        egress: egress::egress(egress)?,
    })
}

fn or_default(asked: u64, default: u64) -> u64 {
    if asked == 0 { default } else { asked }
}

fn at_least(field: &str, asked: u64, least: u64) -> Result<(), InvalidField> {
    if asked < least {
        return Err(InvalidField::new(field, format!("{asked} is below the least, {least}")));
    }
    Ok(())
}

fn timeout(wire: prost_types::Duration) -> Result<Duration, InvalidField> {
    let invalid = |problem: &str| InvalidField::new("spec.timeout", problem);
    // Before the conversion, which would carry one part over into the other.
    if wire.seconds < 0 || !(0..1_000_000_000).contains(&wire.nanos) {
        return Err(invalid("is negative, or its nanoseconds are no part of a second"));
    }
    let timeout = Duration::try_from(wire).map_err(|_| invalid("is negative"))?;
    if timeout < Duration::from_millis(1) {
        return Err(invalid("is below a millisecond; leave it out for no limit"));
    }
    if timeout > LONGEST_TIMEOUT {
        return Err(invalid("is above 30 days"));
    }
    Ok(timeout)
}
