//! Times of the engine.

use kiln_buildkit::Timestamp;

const NANOS: u64 = 1_000_000_000;

/// Since 1970; 0: none, or none that can be told.
pub(super) fn nanos(time: Option<Timestamp>) -> u64 {
    let since = |Timestamp { seconds, nanos }| {
        let seconds = u64::try_from(seconds).ok()?.checked_mul(NANOS)?;
        let nanos = u64::try_from(nanos).ok().filter(|nanos| *nanos < NANOS)?;
        seconds.checked_add(nanos)
    };
    time.and_then(since).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_go() {
        let check = |seconds, nanoseconds, expected| {
            let time = Timestamp { seconds, nanos: nanoseconds };
            assert_eq!(nanos(Some(time)), expected, "{time:?}");
        };
        check(1_795_302_543, 83_457_031, 1_795_302_543_083_457_031);
        check(0, 0, 0);
        // Go's zero is in the year 1.
        check(-62_135_596_800, 0, 0);
        check(i64::MAX, 0, 0);
        check(1, -1, 0);
        check(1, 1_000_000_000, 0);
        assert_eq!(nanos(None), 0);
    }
}
