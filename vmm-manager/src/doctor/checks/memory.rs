//! What there is for guests.

use std::fs;

use crate::doctor::report::{Area, Check};

/// A guest's own kernel, an emulator, and little for a command.
const LEAST_MEBIBYTES: u64 = 768;
/// For the job as it is if nothing is said.
const FAIR_MEBIBYTES: u64 = 2048;

pub(super) fn checks() -> Vec<Check> {
    let meminfo = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let pages = fs::read_to_string("/sys/kernel/mm/transparent_hugepage/enabled");
    vec![free(&meminfo), huge_pages(&pages.unwrap_or_default())]
}

fn free(meminfo: &str) -> Check {
    let (area, name) = (Area::Memory, "free memory");
    let field = |name: &str| {
        let line = meminfo.lines().find_map(|line| line.strip_prefix(name))?;
        let kibibytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
        Some(kibibytes >> 10)
    };
    let (Some(total), Some(available)) = (field("MemTotal:"), field("MemAvailable:")) else {
        return Check::note(area, name, "/proc/meminfo does not tell");
    };
    let found = format!("{available} MiB of {total} MiB");
    let mend = "end what else runs here, or take a larger host";
    if available < LEAST_MEBIBYTES {
        Check::missing(area, name, found).mend(mend)
    } else if available < FAIR_MEBIBYTES {
        Check::warning(area, name, found).mend(mend)
    } else {
        Check::ok(area, name, found)
    }
}

fn huge_pages(enabled: &str) -> Check {
    let (area, name) = (Area::Memory, "transparent huge pages");
    let chosen = enabled.split_whitespace().find(|word| word.starts_with('['));
    match chosen.map(|word| word.trim_matches(['[', ']'])) {
        Some("never") => Check::note(area, name, "never: guests are somewhat slower under KVM")
            .mend("echo madvise > /sys/kernel/mm/transparent_hugepage/enabled"),
        Some(word) => Check::ok(area, name, word),
        None => Check::note(area, name, "the kernel does not tell"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::report::Finding;

    #[test]
    fn memory_is_enough_little_or_none() {
        let check = |mebibytes: u64, expected| {
            let text = format!("MemTotal:  16777216 kB\nMemAvailable:   {} kB\n", mebibytes << 10);
            assert_eq!(free(&text).finding, expected, "{mebibytes}");
        };
        check(100, Finding::Missing);
        check(1000, Finding::Warning);
        check(8000, Finding::Ok);
        assert_eq!(free("garbled").finding, Finding::Note);
    }

    #[test]
    fn the_chosen_word_is_in_brackets() {
        assert_eq!(huge_pages("always [madvise] never").found, "madvise");
        assert_eq!(huge_pages("always madvise [never]").finding, Finding::Note);
        assert_eq!(huge_pages("").finding, Finding::Note);
    }
}
