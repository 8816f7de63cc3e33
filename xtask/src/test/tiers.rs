//! The tiers that tests come in, the cheapest first, and how each of them fared.

use std::fmt;

use super::Counts;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tier {
    /// The crates' own tests, in processes of the host.
    Own,
    /// The real Cloud Hypervisor under the host's KVM, with a guest of a few instructions.
    Null,
    /// Real guests of QEMU's.
    Stories,
    /// Real guests of Cloud Hypervisor's, on the host or in one that is emulated.
    Nested,
}

impl Tier {
    pub(super) fn letter(self) -> char {
        match self {
            Self::Own => 'a',
            Self::Null => 'b',
            Self::Stories => 'c',
            Self::Nested => 'd',
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Own => "in-process",
            Self::Null => "null guests",
            Self::Stories => "stories",
            Self::Nested => "nested",
        }
    }
}

/// How each tier fared, and what was missing for those that were not run.
#[derive(Debug, Default)]
pub(super) struct Summary(Vec<(Tier, Counts, Option<String>)>);

impl Summary {
    pub(super) fn add(&mut self, tier: Tier, counts: Counts, missing: Option<&str>) {
        self.0.push((tier, counts, missing.map(str::to_owned)));
    }

    pub(super) fn together(&self) -> Counts {
        let mut together = Counts::default();
        for (_, counts, _) in &self.0 {
            together += *counts;
        }
        together
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, (tier, counts, missing)) in self.0.iter().enumerate() {
            let separator = if position == 0 { "" } else { "\n" };
            write!(f, "{separator}  ({}) {:<12} {counts}", tier.letter(), tier.name())?;
            if let Some(missing) = missing {
                write!(f, "; not run: {missing}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_tier_has_its_line() {
        let mut summary = Summary::default();
        summary.add(Tier::Own, Counts { passed: 5, ..Counts::default() }, None);
        let skipped = Counts { skipped: 2, ..Counts::default() };
        summary.add(Tier::Nested, skipped, Some("no cloud-hypervisor on PATH"));
        assert_eq!(
            summary.to_string(),
            "  (a) in-process   5 passed, 0 failed, 0 skipped\n  \
               (d) nested       0 passed, 0 failed, 2 skipped; not run: no cloud-hypervisor on PATH"
        );
        assert_eq!(summary.together(), Counts { passed: 5, failed: 0, skipped: 2 });
    }
}
