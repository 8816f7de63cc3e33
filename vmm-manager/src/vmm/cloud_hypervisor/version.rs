//! Which Cloud Hypervisor it is, and whether we know how to drive it.

use std::path::Path;

use crate::{
    guest::text::printable,
    vmm::{VmmError, words},
};

/// The first release with all that is asked of it.
const LEAST: u32 = 53;
/// The last release that this driver was tried with.
const TRIED: u32 = 53;

/// The version that `program` prints of itself. One that is too old is an error, one that is newer
/// than those we know a warning: what it runs is read back either way.
pub(super) async fn ask(program: &Path) -> Result<String, VmmError> {
    let shown = program.display().to_string();
    let said = words::version(program, &["--version"]).await?;
    let Some(version) = number(&said) else {
        return Err(VmmError::Refused {
            command: "--version",
            reason: format!("{shown} is no Cloud Hypervisor: it says {:?}", printable(said.trim())),
        });
    };
    match major(version) {
        Some(major) if major < LEAST => Err(VmmError::Version {
            program: shown,
            version: version.to_owned(),
            least: format!("{LEAST}.0"),
        }),
        Some(major) if major <= TRIED => Ok(version.to_owned()),
        _ => {
            tracing::warn!(
                program = shown,
                version,
                tried = TRIED,
                "this release is newer than those that Kiln was tried with; what it runs is \
                 compared with what was asked, as ever"
            );
            Ok(version.to_owned())
        }
    }
}

/// `cloud-hypervisor v53.0` and what follows → `53.0`.
fn number(said: &str) -> Option<&str> {
    let word = said.strip_prefix("cloud-hypervisor ")?.split_whitespace().next()?;
    let version = word.strip_prefix('v').unwrap_or(word);
    version.starts_with(|first: char| first.is_ascii_digit()).then_some(version)
}

fn major(version: &str) -> Option<u32> {
    version.split(|character: char| !character.is_ascii_digit()).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt as _};

    use super::{VmmError, ask, number};

    #[test]
    fn a_version_is_found_in_what_is_printed() {
        let found = [
            ("cloud-hypervisor v53.0\nMigration Protocol Versions: 0\n", Some("53.0")),
            ("cloud-hypervisor v54.1-3-gabcdef-dirty", Some("54.1-3-gabcdef-dirty")),
            ("cloud-hypervisor 53.0", Some("53.0")),
            ("cloud-hypervisor vNext", None),
            ("QEMU emulator version 7.2.22", None),
            ("", None),
        ];
        for (said, expected) in found {
            assert_eq!(number(said), expected, "{said}");
        }
    }

    async fn of(said: &str) -> Result<String, VmmError> {
        let directory = tempfile::tempdir().unwrap();
        let program = directory.path().join("cloud-hypervisor");
        fs::write(&program, format!("#!/bin/sh\n{said}\n")).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        ask(&program).await
    }

    #[tokio::test]
    async fn one_that_is_too_old_is_refused_and_a_newer_one_is_taken() {
        assert_eq!(of("echo cloud-hypervisor v53.0").await.unwrap(), "53.0");
        assert_eq!(of("echo cloud-hypervisor v60.2").await.unwrap(), "60.2");
        let error = of("echo cloud-hypervisor v52.0").await.unwrap_err();
        assert!(error.to_string().contains("is version 52.0; Kiln needs 53.0"), "{error}");
        for silent in ["echo hello", "exit 1", "true"] {
            let error = of(silent).await.unwrap_err();
            let expected = matches!(error, VmmError::NotReady { .. } | VmmError::Refused { .. });
            assert!(expected, "{error}");
        }
        let error = ask("/nonexistent/cloud-hypervisor".as_ref()).await.unwrap_err();
        assert!(matches!(error, VmmError::Spawn { .. }), "{error}");
    }
}
