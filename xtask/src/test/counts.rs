//! How many tests ended in which way.

use std::{fmt, ops::AddAssign};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) passed: usize,
    pub(crate) failed: usize,
    pub(crate) skipped: usize,
}

impl Counts {
    /// From the line with which a test harness ends.
    pub(super) fn parse(line: &str) -> Option<Self> {
        let numbers = line.strip_prefix("test result: ")?.split_once(". ")?.1;
        let number = |what: &str| {
            let part =
                numbers.split(';').map(str::trim).find_map(|part| part.strip_suffix(what))?;
            part.trim().parse().ok()
        };
        let (passed, failed) = (number("passed")?, number("failed")?);
        Some(Self { passed, failed, skipped: number("ignored")? })
    }

    pub(super) fn is_success(self) -> bool {
        self.failed == 0 && self.passed > 0
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        let Self { passed, failed, skipped } = other;
        self.passed += passed;
        self.failed += failed;
        self.skipped += skipped;
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { passed, failed, skipped } = self;
        write!(f, "{passed} passed, {failed} failed, {skipped} skipped")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_harness_is_understood() {
        let line = "test result: FAILED. 24 passed; 1 failed; 2 ignored; 0 measured; 3 filtered \
                    out; finished in 0.27s";
        let counts = Counts { passed: 24, failed: 1, skipped: 2 };
        assert_eq!(Counts::parse(line), Some(counts));
        assert_eq!(counts.to_string(), "24 passed, 1 failed, 2 skipped");
        assert_eq!(Counts::parse("test result ... ok"), None);
    }

    #[test]
    fn nothing_run_is_no_success() {
        assert!(!Counts { skipped: 3, ..Counts::default() }.is_success());
        assert!(Counts { passed: 1, ..Counts::default() }.is_success());
        assert!(!Counts { passed: 1, failed: 1, skipped: 0 }.is_success());
    }
}
