//! What whoever boots the machine says to the init: words after `--` on the kernel's command line.
//!
//! | word | meaning |
//! |---|---|
//! | `kiln.report=vsock:PORT` | events go to that port of the host, as lines of JSON |
//! | `kiln.report=port:NAME` | … to the virtio serial port of that name |
//! | `kiln.report=/dev/…` | … to that device |
//! | `kiln.report=unix:@NAME` | … to the abstract socket of that name, in the machine itself |
//! | `kiln.report=unix:/PATH` | … to the socket at that path |
//! | `kiln.end=poweroff`, `reboot`, `halt` | how the machine ends; Firecracker takes `reboot` for an end |
//!
//! A root filesystem is the same wherever it is booted, so these are not in its settings. The kernel
//! hands other words on too, which are nobody's; one that starts with `kiln.` and is not known is refused.

use std::{fmt, path::PathBuf};

use crate::machine::End;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Words {
    pub(super) report: Option<Target>,
    pub(super) end: End,
}

/// Where events go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    Vsock(u32),
    Port(String),
    Device(PathBuf),
    /// Without its `@`.
    Abstract(String),
    Socket(PathBuf),
}

impl fmt::Display for Target {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Vsock(port) => write!(formatter, "port {port} of the host"),
            Self::Port(name) => write!(formatter, "the serial port {name}"),
            Self::Device(path) => write!(formatter, "{}", path.display()),
            Self::Abstract(name) => write!(formatter, "the socket @{name}"),
            Self::Socket(path) => write!(formatter, "the socket {}", path.display()),
        }
    }
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} on the kernel's command line is nothing that this init knows")]
pub(super) struct UnknownWord(String);

impl Words {
    pub(super) fn parse(words: &[String]) -> Result<Self, UnknownWord> {
        let mut parsed = Self::default();
        for word in words.iter().filter(|word| word.starts_with("kiln.")) {
            let unknown = || UnknownWord(word.clone());
            match word.split_once('=') {
                Some(("kiln.report", target)) => {
                    parsed.report = Some(Target::parse(target).ok_or_else(unknown)?);
                }
                Some(("kiln.end", "poweroff")) => parsed.end = End::PowerOff,
                Some(("kiln.end", "reboot")) => parsed.end = End::Reboot,
                Some(("kiln.end", "halt")) => parsed.end = End::Halt,
                _ => return Err(unknown()),
            }
        }
        Ok(parsed)
    }
}

impl Target {
    fn parse(text: &str) -> Option<Self> {
        if let Some(port) = text.strip_prefix("vsock:") {
            return port.parse().ok().filter(|port| *port != u32::MAX).map(Self::Vsock);
        }
        if let Some(name) = text.strip_prefix("port:") {
            return (!name.is_empty()).then(|| Self::Port(name.to_owned()));
        }
        if let Some(socket) = text.strip_prefix("unix:") {
            return match socket.strip_prefix('@') {
                Some(name) => (!name.is_empty()).then(|| Self::Abstract(name.to_owned())),
                None => socket.starts_with('/').then(|| Self::Socket(socket.into())),
            };
        }
        text.starts_with("/dev/").then(|| Self::Device(text.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &[&str]) -> Result<Words, UnknownWord> {
        Words::parse(&words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn words_of_others_are_passed_over() {
        assert_eq!(parse(&["single", "splash", "-x", "kilns", ""]), Ok(Words::default()));
    }

    #[test]
    fn every_target_and_every_end_is_known() {
        let target = |text: &str| parse(&[&format!("kiln.report={text}")]).unwrap().report.unwrap();
        assert_eq!(target("vsock:1026"), Target::Vsock(1026));
        assert_eq!(target("port:org.kiln"), Target::Port("org.kiln".to_owned()));
        assert_eq!(target("/dev/ttyS1"), Target::Device("/dev/ttyS1".into()));
        assert_eq!(target("unix:@kiln-report"), Target::Abstract("kiln-report".to_owned()));
        assert_eq!(target("unix:/run/report"), Target::Socket("/run/report".into()));
        let end = |text: &str| parse(&[&format!("kiln.end={text}")]).unwrap().end;
        assert_eq!(end("poweroff"), End::PowerOff);
        assert_eq!(end("reboot"), End::Reboot);
        assert_eq!(end("halt"), End::Halt);
    }

    #[test]
    fn a_word_that_is_misspelt_is_refused() {
        for word in [
            "kiln.",
            "kiln.reprot=vsock:1",
            "kiln.report",
            "kiln.report=",
            "kiln.report=vsock:",
            "kiln.report=vsock:4294967295",
            "kiln.report=port:",
            "kiln.report=/etc/passwd",
            "kiln.report=unix:",
            "kiln.report=unix:@",
            "kiln.report=unix:run/report",
            "kiln.end=off",
        ] {
            assert_eq!(parse(&["quiet", word]), Err(UnknownWord(word.to_owned())));
        }
    }
}
