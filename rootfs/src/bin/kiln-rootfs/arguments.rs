//! The command line.

mod recipe;

use std::path::PathBuf;

use clap::{Parser, ValueEnum};
use kiln_rootfs::{Platform, ext4::Free};

use super::size;

/// Make a root filesystem of an image: an OCI layout, a tar of one, or what `docker save` writes.
///
/// The same image and options give the same bytes, on every host and on every day. Nothing of the image is
/// unpacked to a directory, and no privilege is needed.
#[derive(Debug, Parser)]
#[command(name = "kiln-rootfs", version, max_term_width = 100)]
pub(super) struct Arguments {
    /// The image: a directory, a tar, or a block device with a tar on it
    pub(super) image: PathBuf,
    /// Where the root filesystem goes: a file that gets its name when all is there, or a block device
    #[arg(short, long, value_name = "FILE")]
    pub(super) output: PathBuf,
    /// Which image, where several lie: a reference or a tag
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Of an image for several platforms the one for this
    #[arg(long, default_value_t = here(), value_name = "OS/ARCH[/VARIANT]")]
    platform: Platform,
    #[arg(long, value_enum, default_value_t = Kind::Ext4)]
    format: Kind,
    /// How the file is packed
    #[arg(long, value_enum, default_value_t = Compress::None)]
    compress: Compress,
    /// What boots: `none`, `direct` (the image's command as docker runs it), `systemd`, or a program of the
    /// image's own by its absolute path
    #[arg(long, default_value = "none", value_name = "WAY")]
    init: String,
    /// The static program that `--init direct` puts in [default: kiln-init beside this program]
    #[arg(long, value_name = "FILE")]
    init_program: Option<PathBuf>,
    /// Take out what a running system does not need: everything known, or what is listed of apt, apk, dnf,
    /// pip, npm, documents, manuals, info, locales, logs
    #[arg(long, value_name = "WHAT", num_args = 0..=1, require_equals = true, value_delimiter = ',', default_missing_value = "all")]
    optimize: Vec<String>,
    /// Languages whose messages stay, such as `de` or `pt_BR`
    #[arg(
        long,
        value_name = "LOCALE",
        value_delimiter = ',',
        default_value = "en",
        requires = "optimize"
    )]
    keep_locale: Vec<String>,
    /// Leave secrets where they are, and look for nothing
    #[arg(long, conflicts_with_all = ["keep_secret", "setuid", "capabilities", "world_writable", "devices"])]
    no_harden: bool,
    /// Secrets at or below this path stay
    #[arg(long, value_name = "PATH")]
    keep_secret: Vec<String>,
    /// Programs that run with their owner's or group's rights
    #[arg(long, value_enum, default_value_t = Deal::Report)]
    setuid: Deal,
    /// Programs with file capabilities
    #[arg(long, value_enum, default_value_t = Deal::Report)]
    capabilities: Deal,
    /// What everyone may change
    #[arg(long, value_enum, default_value_t = Deal::Report)]
    world_writable: Deal,
    /// Device nodes
    #[arg(long, value_enum, default_value_t = Nodes::Keep)]
    devices: Nodes,
    /// Of the ext4: refuse more than this, and say what takes the most
    #[arg(long, value_name = "SIZE", value_parser = size::parse)]
    size_limit: Option<u64>,
    /// Of the ext4: exactly this large, and not as small as can be
    #[arg(long, value_name = "SIZE", value_parser = size::parse, conflicts_with = "free")]
    size: Option<u64>,
    /// Of the ext4: how much stays free, as a size or as a part of it such as 20% [default: 10%]
    #[arg(long, value_name = "SIZE|PERCENT", value_parser = size::free)]
    free: Option<Free>,
    /// Of the ext4: its name, of at most 16 bytes
    #[arg(long, value_name = "TEXT")]
    label: Option<String>,
    /// Write what came of it as JSON
    #[arg(long, value_name = "FILE")]
    pub(super) metadata: Option<PathBuf>,
    /// Where layers are inflated for as long as this runs [default: beside the output]
    #[arg(long, value_name = "DIRECTORY")]
    pub(super) spool: Option<PathBuf>,
    /// Say nothing when all went well
    #[arg(short, long)]
    pub(super) quiet: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Kind {
    Ext4,
    Tar,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Compress {
    None,
    Gzip,
    Zstd,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Deal {
    Report,
    Strip,
    Refuse,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Nodes {
    Keep,
    Refuse,
}

/// This machine's platform, in the words of images.
fn here() -> Platform {
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    Platform { os: "linux".to_owned(), architecture: architecture.to_owned(), variant: None }
}
