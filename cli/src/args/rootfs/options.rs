//! What a root filesystem is to be like: flags of `kiln rootfs`, and keys of `kiln build -o
//! type=rootfs` under the same names.

use std::time::Duration;

use clap::{Args, ValueEnum};

use super::{free::Free, init::Init, probe::Probe};
use crate::args::{duration, size};

/// Nothing of it is checked against the rest before [`RootfsOptions::check`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
pub(crate) struct RootfsOptions {
    /// ext4 or tar [default: ext4].
    #[arg(long, value_name = "FORMAT", hide_possible_values = true)]
    pub(crate) format: Option<RootfsFormat>,
    /// How the file is packed: none, gzip or zstd [default: none].
    #[arg(long, value_name = "HOW", hide_possible_values = true)]
    pub(crate) compress: Option<RootfsPacking>,
    /// What boots: direct (the image's command, as docker runs it), systemd, none, or the absolute
    /// path of a program of the image [default: direct].
    #[arg(long, value_name = "INIT")]
    pub(crate) init: Option<Init>,
    /// Take out what a running system does not need: all that is known, or what is listed.
    #[arg(long, value_name = "WHAT,…", num_args = 0..=1, require_equals = true)]
    #[arg(value_delimiter = ',', default_missing_value = "all")]
    pub(crate) optimize: Vec<String>,
    /// Languages whose messages stay with --optimize, such as de,fr [default: en].
    #[arg(long, value_name = "LOCALE,…", value_delimiter = ',')]
    pub(crate) keep_locale: Vec<String>,
    /// Look for no secrets and no rights, and leave all as it is.
    #[arg(long)]
    pub(crate) no_harden: bool,
    /// Secrets at or below this path stay.
    #[arg(long, value_name = "PATH")]
    pub(crate) keep_secret: Vec<String>,
    /// Programs with their owner's rights: report, strip or refuse [default: report].
    #[arg(long, value_name = "DEAL", hide_possible_values = true)]
    pub(crate) setuid: Option<Deal>,
    /// Programs with file capabilities: report, strip or refuse [default: report].
    #[arg(long, value_name = "DEAL", hide_possible_values = true)]
    pub(crate) capabilities: Option<Deal>,
    /// What everyone may change: report, strip or refuse [default: report].
    #[arg(long, value_name = "DEAL", hide_possible_values = true)]
    pub(crate) world_writable: Option<Deal>,
    /// Device nodes: keep or refuse [default: keep].
    #[arg(long, value_name = "DEAL", hide_possible_values = true)]
    pub(crate) devices: Option<Nodes>,
    /// Of the ext4: exactly this large [default: as small as can be].
    #[arg(long, value_name = "SIZE", value_parser = size::parse)]
    pub(crate) size: Option<u64>,
    /// Of the ext4: refuse more than this, and say what takes the most.
    #[arg(long, value_name = "SIZE", value_parser = size::parse)]
    pub(crate) size_limit: Option<u64>,
    /// Of the ext4: how much stays free, as a size or a part such as 20% [default: 10%].
    #[arg(long, value_name = "SIZE|PERCENT")]
    pub(crate) free: Option<Free>,
    /// Of the ext4: its name, of at most 16 bytes.
    #[arg(long, value_name = "TEXT")]
    pub(crate) label: Option<String>,
    /// Do not boot it before it is given out.
    #[arg(long)]
    pub(crate) no_boot_check: bool,
    #[command(flatten)]
    pub(crate) probe: Probe,
    /// For it to be up [default: 2m].
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    pub(crate) boot_timeout: Option<Duration>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum RootfsFormat {
    Ext4,
    Tar,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum RootfsPacking {
    None,
    Gzip,
    Zstd,
}

/// What becomes of rights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Deal {
    Report,
    Strip,
    Refuse,
}

/// What becomes of device nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Nodes {
    Keep,
    Refuse,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidRootfs {
    #[error("{option} is of an ext4, and this is a tar: leave one of them out")]
    NotOfTars { option: &'static str },
    #[error("{option} is for a boot, and {reason}: leave one of them out")]
    NoBoot { option: &'static str, reason: &'static str },
    #[error("keep-locale goes with optimize")]
    LocaleOfNothing,
    #[error("{option} says what is looked for, and no-harden that nothing is: leave one out")]
    NothingLookedFor { option: &'static str },
    #[error("size says how large all of it is, and free how much is left: leave one out")]
    SizeTwice,
    #[error("the label {label:?} is longer than 16 bytes")]
    Label { label: String },
    #[error("it is up by probe-command or probe-port: leave one out")]
    TwoProbes,
    #[error("optimize has an empty word: write optimize alone, or a list such as apt,manuals")]
    EmptyOptimize,
}

impl RootfsOptions {
    pub(crate) fn check(&self) -> Result<(), InvalidRootfs> {
        if self.size.is_some() && self.free.is_some() {
            return Err(InvalidRootfs::SizeTwice);
        }
        let is_tar = self.format == Some(RootfsFormat::Tar);
        if let Some(option) = self.of_ext4().filter(|_| is_tar) {
            return Err(InvalidRootfs::NotOfTars { option });
        }
        if let Some(label) = self.label.as_ref().filter(|label| label.len() > 16) {
            return Err(InvalidRootfs::Label { label: label.clone() });
        }
        if self.optimize.is_empty() && !self.keep_locale.is_empty() {
            return Err(InvalidRootfs::LocaleOfNothing);
        }
        if self.optimize.iter().any(String::is_empty) {
            return Err(InvalidRootfs::EmptyOptimize);
        }
        if let Some(option) = self.of_hardening().filter(|_| self.no_harden) {
            return Err(InvalidRootfs::NothingLookedFor { option });
        }
        if self.probe.probe_command.is_some() && self.probe.probe_port.is_some() {
            return Err(InvalidRootfs::TwoProbes);
        }
        let of_boot = self.probe.asked().or(self.boot_timeout.map(|_| "boot-timeout"));
        match (of_boot, self.no_boot()) {
            (Some(option), Some(reason)) => Err(InvalidRootfs::NoBoot { option, reason }),
            _ => Ok(()),
        }
    }

    /// Why what is made is not booted, in words.
    pub(crate) fn no_boot(&self) -> Option<&'static str> {
        if self.no_boot_check {
            Some("it is off")
        } else if self.format == Some(RootfsFormat::Tar) {
            Some("a tar does not boot")
        } else if self.compress.is_some_and(|packing| packing != RootfsPacking::None) {
            Some("what is compressed does not boot")
        } else if self.init == Some(Init::None) {
            Some("without an init nothing boots")
        } else {
            None
        }
    }

    fn of_ext4(&self) -> Option<&'static str> {
        let options = [
            ("size", self.size.is_some()),
            ("size-limit", self.size_limit.is_some()),
            ("free", self.free.is_some()),
            ("label", self.label.is_some()),
        ];
        options.into_iter().find(|(_, is_there)| *is_there).map(|(option, _)| option)
    }

    fn of_hardening(&self) -> Option<&'static str> {
        let options = [
            ("keep-secret", !self.keep_secret.is_empty()),
            ("setuid", self.setuid.is_some()),
            ("capabilities", self.capabilities.is_some()),
            ("world-writable", self.world_writable.is_some()),
            ("devices", self.devices.is_some()),
        ];
        options.into_iter().find(|(_, is_there)| *is_there).map(|(option, _)| option)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Flags {
        #[command(flatten)]
        options: RootfsOptions,
    }

    fn checked(flags: &str) -> Result<(), InvalidRootfs> {
        let flags = std::iter::once("kiln").chain(flags.split_whitespace());
        Flags::try_parse_from(flags).unwrap().options.check()
    }

    #[test]
    fn what_goes_together() {
        for flags in [
            "",
            "--format tar --compress zstd",
            "--optimize --keep-locale de,fr --size-limit 1G --free 5% --label root",
            "--optimize=apt,manuals --setuid strip --devices refuse --keep-secret /etc/key",
            "--no-harden --no-boot-check",
            "--probe-port 80 --boot-timeout 5m",
            "--init /sbin/start --compress none --probe-command true",
        ] {
            assert_eq!(checked(flags), Ok(()), "{flags}");
        }
    }

    #[test]
    fn what_does_not_is_refused() {
        let check = |flags: &str, words: &str| {
            let told = checked(flags).unwrap_err().to_string();
            assert!(told.contains(words), "{flags}: {told}");
        };
        check("--format tar --size-limit 1G", "size-limit is of an ext4");
        check("--size 1G --free 5%", "leave one out");
        check("--label 12345678901234567", "longer than 16 bytes");
        check("--keep-locale de", "goes with optimize");
        check("--optimize=apt,,pip", "empty word");
        check("--no-harden --setuid strip", "setuid says");
        check("--format tar --probe-port 80", "a tar does not boot");
        check("--compress gzip --boot-timeout 1m", "what is compressed does not boot");
        check("--init none --probe-command true", "without an init");
        check("--no-boot-check --probe-port 1", "it is off");
    }
}
