//! The guest's wall clock, which starts at whatever the VMM's clock chip says.

use rustix::time::{ClockId, Timespec, clock_settime};
use tonic::Status;

const NANOS_PER_SECOND: u64 = 1_000_000_000;

pub(super) fn set(unix_nanos: u64) -> Result<(), Status> {
    clock_settime(ClockId::Realtime, timespec(unix_nanos))
        .map_err(|errno| Status::internal(format!("the clock cannot be set: {errno}")))
}

fn timespec(unix_nanos: u64) -> Timespec {
    // Neither conversion can fail: 2^64 nanoseconds are 584 years.
    Timespec {
        tv_sec: i64::try_from(unix_nanos / NANOS_PER_SECOND).unwrap_or(i64::MAX),
        tv_nsec: i64::try_from(unix_nanos % NANOS_PER_SECOND).unwrap_or(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nanoseconds_are_split() {
        let time = timespec(1_700_000_000_123_456_789);
        assert_eq!((time.tv_sec, time.tv_nsec), (1_700_000_000, 123_456_789));
        assert_eq!(timespec(u64::MAX).tv_sec, 18_446_744_073);
    }
}
