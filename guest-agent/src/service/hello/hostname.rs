//! The guest's name: in the kernel, in `/etc/hostname` and in `/etc/hosts`.

use std::{io, path::Path, time::Duration};

use tokio::time::timeout;
use tonic::Status;

use crate::{kmsg, offload::offload};

/// As long as the kernel allows.
const MAX_BYTES: usize = 64;
/// The files are a convenience: a stuck disk shall not keep the greeting back.
const FILES_LIMIT: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Hostname(String);

impl TryFrom<String> for Hostname {
    type Error = Status;

    fn try_from(name: String) -> Result<Self, Status> {
        if is_name(&name) {
            return Ok(Self(name));
        }
        Err(Status::invalid_argument(format!(
            "hostname {name:?} is not made of 1 to {MAX_BYTES} letters, digits, hyphens and dots"
        )))
    }
}

impl Hostname {
    pub(super) async fn set(self) -> Result<(), Status> {
        let Self(name) = self;
        rustix::system::sethostname(name.as_bytes())
            .map_err(|errno| Status::internal(format!("the hostname cannot be set: {errno}")))?;
        let written = offload("hostname", move || write_files(Path::new("/etc"), &name));
        match timeout(FILES_LIMIT, written).await {
            Ok(Ok(Ok(()))) => {}
            Ok(Ok(Err(error)) | Err(error)) => {
                kmsg::error(format_args!("the hostname's files cannot be written: {error}"));
            }
            Err(_) => kmsg::error(format_args!("the disk takes no hostname")),
        }
        Ok(())
    }
}

fn is_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
    (1..=MAX_BYTES).contains(&name.len())
        && name.bytes().all(allowed)
        && !name.starts_with(['-', '.'])
}

fn write_files(etc: &Path, name: &str) -> io::Result<()> {
    std::fs::write(etc.join("hostname"), format!("{name}\n"))?;
    std::fs::write(
        etc.join("hosts"),
        format!("127.0.0.1 localhost\n127.0.1.1 {name}\n::1 localhost ip6-localhost\n"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_names() {
        for name in ["kiln", "a", "job-01.kiln", "7", &"x".repeat(64)] {
            assert!(is_name(name), "{name}");
        }
        for name in ["", "a b", "a\n1.2.3.4 deb.debian.org", "-a", ".a", "ä", &"x".repeat(65)] {
            assert!(!is_name(name), "{name:?}");
        }
    }

    #[test]
    fn the_files_name_it() {
        let etc = tempfile::tempdir().unwrap();
        write_files(etc.path(), "job-7").unwrap();
        let read = |name| std::fs::read_to_string(etc.path().join(name)).unwrap();
        assert_eq!(read("hostname"), "job-7\n");
        assert!(read("hosts").contains("127.0.1.1 job-7\n"));
    }
}
