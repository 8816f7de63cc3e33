//! Durations, in the units that `--timeout` takes.

use std::time::Duration;

/// The two largest units that matter: `350ms`, `5s`, `1.2s`, `1m30s`, `2h5m`.
pub(crate) fn duration(duration: Duration) -> String {
    let total = duration.as_secs();
    let (days, hours, minutes, seconds) =
        (total / 86_400, total / 3600 % 24, total / 60 % 60, total % 60);
    match (days, hours, minutes, seconds) {
        (0, 0, 0, 0) => format!("{}ms", duration.subsec_millis()),
        (0, 0, 0, _) => match duration.subsec_millis() / 100 {
            0 => format!("{seconds}s"),
            tenths => format!("{seconds}.{tenths}s"),
        },
        (0, 0, _, 0) => format!("{minutes}m"),
        (0, 0, _, _) => format!("{minutes}m{seconds}s"),
        (0, _, 0, _) => format!("{hours}h"),
        (0, _, _, _) => format!("{hours}h{minutes}m"),
        (_, 0, _, _) => format!("{days}d"),
        _ => format!("{days}d{hours}h"),
    }
}

/// The largest unit alone.
pub(crate) fn age(age: Duration) -> String {
    match age.as_secs() {
        seconds @ 0..60 => format!("{seconds}s"),
        seconds @ 60..3600 => format!("{}m", seconds / 60),
        seconds @ 3600..86_400 => format!("{}h", seconds / 3600),
        seconds => format!("{}d", seconds / 86_400),
    }
}

/// What JSON carries, back as a duration.
pub(crate) fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        let check = |milliseconds, expected: &str| {
            assert_eq!(duration(Duration::from_millis(milliseconds)), expected);
        };
        check(0, "0ms");
        check(350, "350ms");
        check(5_000, "5s");
        check(5_049, "5s");
        check(1_250, "1.2s");
        check(59_999, "59.9s");
        check(60_000, "1m");
        check(90_000, "1m30s");
        check(3_600_000, "1h");
        check(7_500_000, "2h5m");
        check(86_400_000, "1d");
        check(100_000_000, "1d3h");
    }

    #[test]
    fn ages() {
        let check = |seconds, expected: &str| {
            assert_eq!(age(Duration::from_secs(seconds)), expected);
        };
        check(0, "0s");
        check(59, "59s");
        check(60, "1m");
        check(7199, "1h");
        check(86_400 * 400, "400d");
    }

    #[test]
    fn what_is_no_duration_is_none() {
        assert_eq!(seconds(1.5), Duration::from_millis(1500));
        assert_eq!(seconds(-1.0), Duration::ZERO);
        assert_eq!(seconds(f64::NAN), Duration::ZERO);
    }
}
