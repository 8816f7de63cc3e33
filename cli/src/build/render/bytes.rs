//! Sizes, in the units of buildx: decimal, with two digits behind the point.

pub(super) fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];
    if count < 1000 {
        return format!("{count}B");
    }
    let mut unit = 0;
    let mut whole = u128::from(count) * 100 / 1000;
    while whole >= 100_000 && unit + 1 < UNITS.len() {
        whole /= 1000;
        unit += 1;
    }
    format!("{}.{:02}{}", whole / 100, whole % 100, UNITS[unit])
}

/// As it stands behind what it is of; empty where nothing is known.
pub(super) fn of_total(current: u64, total: u64) -> String {
    match (current, total) {
        (0, 0) => String::new(),
        (current, 0) => format!(" {}", bytes(current)),
        (current, total) => format!(" {} / {}", bytes(current), bytes(total)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        let check = |count, expected: &str| assert_eq!(bytes(count), expected);
        check(0, "0B");
        check(999, "999B");
        check(1000, "1.00kB");
        check(3_401_234, "3.40MB");
        check(999_999, "999.99kB");
        check(1_000_000_000, "1.00GB");
        check(u64::MAX, "18446.74PB");
        assert_eq!(of_total(0, 0), "");
        assert_eq!(of_total(2, 0), " 2B");
        assert_eq!(of_total(0, 2000), " 0B / 2.00kB");
    }
}
