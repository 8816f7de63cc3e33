//! What the processor leaks, and what the kernel does against it.

use std::{collections::BTreeMap, fs};

use crate::doctor::report::{Area, Check};

const DIRECTORY: &str = "/sys/devices/system/cpu/vulnerabilities";

pub(super) fn checks() -> Vec<Check> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(DIRECTORY).into_iter().flatten().flatten() {
        let text = fs::read_to_string(entry.path()).unwrap_or_default();
        found.insert(entry.file_name().to_string_lossy().into_owned(), text.trim().to_owned());
    }
    vec![mitigations(&found)]
}

fn mitigations(found: &BTreeMap<String, String>) -> Check {
    let (area, name) = (Area::Processor, "mitigations");
    if found.is_empty() {
        return Check::note(area, name, "the kernel does not tell");
    }
    let open = found.iter().filter(|(_, state)| state.contains("Vulnerable"));
    let open: Vec<_> = open.map(|(name, state)| format!("{name}: {state}")).collect();
    if open.is_empty() {
        return Check::ok(area, name, format!("{} known weaknesses, none open", found.len()));
    }
    Check::warning(area, name, format!("a tenant may read what is not his ({})", open.join("; ")))
        .mend("update the microcode and the kernel, and boot without mitigations=off")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::report::Finding;

    fn check(states: &[(&str, &str)], expected: Finding, words: &str) {
        let found =
            states.iter().map(|(name, state)| ((*name).to_owned(), (*state).to_owned())).collect();
        let check = mitigations(&found);
        assert_eq!(check.finding, expected, "{check:?}");
        assert!(check.found.contains(words), "{check:?}");
    }

    #[test]
    fn what_is_open_is_named() {
        check(&[], Finding::Note, "does not tell");
        let closed = [("mds", "Not affected"), ("spectre_v1", "Mitigation: barriers")];
        check(&closed, Finding::Ok, "none open");
        let open = [("mds", "Vulnerable: no microcode"), ("l1tf", "Mitigation: PTE inversion")];
        check(&open, Finding::Warning, "mds: Vulnerable: no microcode");
        // As Intel's L1TF has it with threads on.
        let half = [("l1tf", "Mitigation: PTE Inversion; VMX: SMT vulnerable")];
        check(&half, Finding::Ok, "none open");
        let half = [("taa", "Mitigation: x; SMT Vulnerable")];
        check(&half, Finding::Warning, "taa");
    }
}
