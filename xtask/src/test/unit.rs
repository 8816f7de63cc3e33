//! The crates' own tests and the examples in their documentation.

use std::{path::Path, process::Command};

use super::Counts;
use crate::{
    arguments::TestOptions,
    binaries::{Binaries, HARNESS},
    program, say,
    setup::{self, Tools},
    show, workspace,
};

/// What their harnesses reported.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) own: Counts,
    /// Those that boot null guests.
    pub(super) null: Counts,
    /// Why they did not.
    pub(super) missing: Option<String>,
}

/// What the harness of the null guests says first.
const NULL: &str = "null guests:";
const MISSING: &str = "not run: ";

pub(super) fn run(
    options: &TestOptions,
    binaries: &Binaries,
    image: &Path,
    tools: &Tools,
    temporary: &Path,
) -> anyhow::Result<Told> {
    // Only the first shard, so that the shards together run everything once.
    if options.shard.as_deref().is_some_and(|shard| !shard.starts_with("1/")) {
        say!("==> the crates' own tests are the first shard's");
        return Ok(Told::default());
    }
    say!("==> the crates' own tests");
    let mut told = Told::default();
    let mut cargo = workspace::cargo();
    cargo.args(["test", "--no-fail-fast", "--workspace", "--exclude", "kiln-tests"]);
    // Its stories come later; and asked for alone, cargo would build all below it once more, with the
    // features that it alone asks for.
    let mut harness = Command::new(binaries.path(HARNESS)?);
    harness.current_dir(workspace::root().join("tests"));
    for mut tests in [cargo, harness] {
        tests.args(&options.filter);
        // For the few that boot a machine without any of our daemons.
        tests
            .env("KILN_GUEST_IMAGE", image)
            .env("KILN_VHOST_DEVICE_VSOCK", &tools.vhost_device_vsock)
            .env("KILN_REGISTRY_CLIENTS", setup::registry_clients()?);
        if options.full {
            tests.env("KILN_FULL", "1");
        }
        listen(tests.env("TMPDIR", temporary), &mut told)?;
    }
    Ok(told)
}

/// Shows what is said and adds up what the harnesses report.
fn listen(tests: &mut Command, told: &mut Told) -> anyhow::Result<()> {
    let mut harness = Harness::default();
    let status = program::each_line(tests, |line| {
        show!("{line}");
        harness.hear(line, told);
    })?;
    // A harness that died, or that could not be built, reported nothing.
    if !status.success() && told.own.failed + told.null.failed == 0 {
        show!("{}: {status}", tests.get_program().display());
        told.own.failed += 1;
    }
    Ok(())
}

/// Whose lines are read: one harness speaks after the other, and each ends with its counts.
#[derive(Debug, Default)]
struct Harness {
    is_of_null_guests: bool,
}

impl Harness {
    fn hear(&mut self, line: &str, told: &mut Told) {
        if line == NULL {
            self.is_of_null_guests = true;
        }
        if let Some(missing) = line.strip_prefix(MISSING).filter(|_| self.is_of_null_guests) {
            told.missing = Some(missing.to_owned());
        }
        if let Some(counts) = Counts::parse(line) {
            if self.is_of_null_guests {
                told.null += counts;
            } else {
                told.own += counts;
            }
            self.is_of_null_guests = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn null_guests_are_counted_apart() {
        let mut told = Told::default();
        let mut harness = Harness::default();
        for line in [
            "not run: not one of theirs",
            "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out",
            "null guests:",
            "not run: there is no /dev/kvm",
            "running 4 tests",
            "test result: ok. 0 passed; 0 failed; 4 ignored; 0 measured; 0 filtered out",
            "test result: FAILED. 5 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out",
        ] {
            harness.hear(line, &mut told);
        }
        assert_eq!(told.own, Counts { passed: 8, failed: 1, skipped: 1 });
        assert_eq!(told.null, Counts { passed: 0, failed: 0, skipped: 4 });
        assert_eq!(told.missing.as_deref(), Some("there is no /dev/kvm"));
    }
}
