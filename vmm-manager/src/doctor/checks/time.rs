//! The clock, and chance.

use std::{
    env, fs, io,
    time::{Duration, SystemTime},
};

use rustix::{
    rand::{GetRandomFlags, getrandom},
    time::{ClockId, clock_gettime},
};

use crate::doctor::report::{Area, Check};

/// 2100 in seconds since 1970.
const FAR: u64 = 4_102_444_800;
/// Of `adjtimex`.
const TIME_ERROR: i32 = 5;

pub(super) fn checks() -> Vec<Check> {
    let built = env::current_exe().and_then(fs::metadata).and_then(|data| data.modified()).ok();
    vec![clock(SystemTime::now(), built), synchronised(), entropy()]
}

/// A guest takes its clock from here, and with it whose certificates are valid.
fn clock(now: SystemTime, built: Option<SystemTime>) -> Check {
    let (area, name) = (Area::Time, "clock");
    let seconds = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    let mend = "set the clock: a guest takes its own from it, and certificates are judged by it";
    if built.is_some_and(|built| now + Duration::from_secs(60) < built) {
        return Check::warning(area, name, "it is older than this program").mend(mend);
    }
    if seconds > FAR {
        return Check::warning(area, name, "it is beyond the year 2100").mend(mend);
    }
    let started = clock_gettime(ClockId::Monotonic).tv_sec;
    if started <= 0 {
        return Check::warning(area, name, "the time since the start does not run").mend(mend);
    }
    Check::ok(area, name, format!("{seconds} s since 1970, and it can be"))
}

fn synchronised() -> Check {
    let (area, name) = (Area::Time, "clock synchronisation");
    // SAFETY: all zero is a valid value: nothing is to be set.
    let mut state: libc::timex = unsafe { std::mem::zeroed() };
    // SAFETY: the structure is the one that the call writes.
    match unsafe { libc::adjtimex(&raw mut state) } {
        -1 => Check::note(area, name, format!("unknown: {}", io::Error::last_os_error())),
        TIME_ERROR => Check::note(area, name, "nobody keeps the clock right")
            .mend("run chrony or systemd-timesyncd, unless the host above does it"),
        _ => Check::ok(area, name, "somebody keeps the clock right"),
    }
}

fn entropy() -> Check {
    let (area, name) = (Area::Time, "randomness");
    let mut drawn = [0_u8; 32];
    match getrandom(&mut drawn, GetRandomFlags::NONBLOCK) {
        Ok(length) if length == drawn.len() && drawn != [0; 32] => {
            Check::ok(area, name, "the kernel's generator is ready")
        }
        Ok(_) => Check::missing(area, name, "the kernel's generator gives nothing")
            .mend("guests and their secrets are seeded from it: use another kernel"),
        Err(error) => Check::missing(area, name, format!("none yet: {error}"))
            .mend("wait for the kernel's generator, or give the host a virtio-rng device"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::report::Finding;

    #[test]
    fn a_clock_that_cannot_be_right_is_told() {
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let built = Some(at(1_700_000_000));
        assert_eq!(clock(at(1_700_000_100), built).finding, Finding::Ok);
        assert_eq!(clock(at(0), built).finding, Finding::Warning);
        assert_eq!(clock(at(1_700_000_000 - 3600), built).finding, Finding::Warning);
        assert_eq!(clock(at(FAR + 1), built).finding, Finding::Warning);
    }
}
