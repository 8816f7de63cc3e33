//! Sizes, in the units that `--memory` and `--disk` take.

/// Exact when it is a whole number of a unit, else with one decimal.
pub(crate) fn size(bytes: u64) -> String {
    let units = [(40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")];
    let Some((shift, unit)) = units.into_iter().find(|(shift, _)| bytes >> shift > 0) else {
        return format!("{bytes} B");
    };
    let whole = bytes >> shift;
    let tenths = ((u128::from(bytes) & ((1 << shift) - 1)) * 10) >> shift;
    if bytes == whole << shift {
        format!("{whole} {unit}")
    } else {
        format!("{whole}.{tenths} {unit}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        let check = |bytes, expected: &str| assert_eq!(size(bytes), expected);
        check(0, "0 B");
        check(1023, "1023 B");
        check(1024, "1 KiB");
        check(1536, "1.5 KiB");
        check(256 << 20, "256 MiB");
        check((256 << 20) + 1, "256.0 MiB");
        check(1 << 30, "1 GiB");
        check(3 << 39, "1.5 TiB");
        check(u64::MAX, "16777215.9 TiB");
    }
}
