//! Times, shown in RFC 3339 to the microsecond, always as long as each other.

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use prost_types::Timestamp;
use serde::{Serialize, Serializer};

#[derive(Clone, Copy, Debug, PartialEq, Hash)]
pub(crate) struct Time(Timestamp);

impl Time {
    /// Zero when `earlier` is not earlier: clocks are set while jobs run.
    pub(crate) fn since(self, earlier: Self) -> Duration {
        let nanoseconds = self.nanoseconds() - earlier.nanoseconds();
        Duration::from_nanos(u64::try_from(nanoseconds.max(0)).unwrap_or(u64::MAX))
    }

    pub(crate) fn now() -> Self {
        Self(SystemTime::now().into())
    }

    fn nanoseconds(self) -> i128 {
        i128::from(self.0.seconds) * 1_000_000_000 + i128::from(self.0.nanos)
    }
}

impl From<Timestamp> for Time {
    fn from(mut timestamp: Timestamp) -> Self {
        timestamp.normalize();
        Self(timestamp)
    }
}

impl fmt::Display for Time {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = Timestamp { nanos: 0, ..self.0 }.to_string();
        write!(formatter, "{}.{:06}Z", whole.trim_end_matches('Z'), self.0.nanos / 1000)
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A negative duration, which nobody should send, is none.
pub(super) fn duration_of(wire: &prost_types::Duration) -> Duration {
    Duration::try_from(*wire).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(seconds: i64, nanos: i32, expected: &str) {
        assert_eq!(Time::from(Timestamp { seconds, nanos }).to_string(), expected);
    }

    #[test]
    fn times_are_rfc_3339() {
        check(0, 0, "1970-01-01T00:00:00.000000Z");
        check(1_700_000_000, 120_000_000, "2023-11-14T22:13:20.120000Z");
        check(1_700_000_000, 999_999_999, "2023-11-14T22:13:20.999999Z");
        check(-1, 500_000_000, "1969-12-31T23:59:59.500000Z");
    }

    #[test]
    fn time_never_runs_backwards() {
        let at = |seconds, nanos| Time::from(Timestamp { seconds, nanos });
        assert_eq!(at(5, 500_000_000).since(at(4, 0)), Duration::from_millis(1500));
        assert_eq!(at(5, 0).since(at(4, 750_000_000)), Duration::from_millis(250));
        assert_eq!(at(4, 0).since(at(5, 0)), Duration::ZERO);
        assert_eq!(at(i64::MAX, 0).since(at(i64::MIN, 0)), Duration::from_nanos(u64::MAX));
    }
}
