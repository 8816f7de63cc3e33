//! Which signals this process was started to ignore.

#[derive(Clone, Copy, Debug)]
pub(super) struct Ignored(u64);

impl Ignored {
    /// None, where the kernel does not tell.
    pub(super) fn of_this_process() -> Self {
        Self::parse(&std::fs::read_to_string("/proc/self/status").unwrap_or_default())
    }

    fn parse(status: &str) -> Self {
        let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
        Self(mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0))
    }

    pub(super) fn contains(self, signal: i32) -> bool {
        u32::try_from(signal - 1).is_ok_and(|bit| self.0.checked_shr(bit).unwrap_or(0) & 1 == 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mask_is_read() {
        let status = "Name:\tkiln\nSigBlk:\tffffffffffffffff\nSigIgn:\t0000000000001003\n";
        let ignored = Ignored::parse(status);
        for (signal, expected) in [(1, true), (2, true), (13, true), (3, false), (15, false)] {
            assert_eq!(ignored.contains(signal), expected, "{signal}");
        }
        for signal in [0, -1, 65] {
            assert!(!ignored.contains(signal));
        }
        assert!(!Ignored::parse("").contains(1));
    }
}
