//! What a root filesystem was asked to be: checked, with every default filled in; and what came of it.

pub(super) mod closed;
mod record;

use self::closed::closed;
pub use self::record::{Converted, MadeRootfs, RootfsRecord};
use super::{BootCheck, JobId, OutputDisk, SourceId, spec::DiskFormat};

/// What a converter may say of what it made.
pub const METADATA_BYTES: u64 = 16 << 20;
/// Of its outputs, in the order of the job's.
pub const ROOTFS: &str = "rootfs";
pub const METADATA: &str = "metadata";
/// Where the converter leaves what it says, in its guest.
pub const METADATA_PATH: &str = "/run/kiln-rootfs.json";

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rootfs {
    pub source: RootfsImage,
    /// `OS/ARCH[/VARIANT]`.
    pub platform: String,
    pub format: RootfsFormat,
    pub packing: Packing,
    pub init: RootfsInit,
    /// Empty: nothing is taken out.
    pub optimize: Vec<Excess>,
    /// Languages whose messages stay; none without `optimize`.
    pub keep_locales: Vec<String>,
    /// `None`: nothing is looked for.
    pub harden: Option<Harden>,
    /// `None`: what was made is not booted.
    pub check: Option<BootCheck>,
    /// What a build has run for it before.
    pub commands: Vec<String>,
}

/// Where the image is from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RootfsImage {
    /// As it is written in full.
    Reference(String),
    /// One of the same tenant.
    Build {
        build: JobId,
        /// Empty where it has one.
        export: String,
    },
    Upload(SourceId),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RootfsFormat {
    Ext4(Ext4),
    Tar,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ext4 {
    /// `None`: as small as it can be.
    pub size_bytes: Option<u64>,
    pub limit_bytes: Option<u64>,
    /// As it is written: a size, or a part; `None` is the converter's own.
    pub free: Option<String>,
    /// At most 16 bytes.
    pub label: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RootfsInit {
    Direct,
    Systemd,
    None,
    /// Absolute, in the image.
    Custom(String),
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Harden {
    /// Absolute, in the image.
    pub keep_secrets: Vec<String>,
    pub setuid: Rule,
    pub capabilities: Rule,
    pub world_writable: Rule,
    pub devices: DeviceRule,
}

closed! {
    /// How the file is packed.
    pub enum Packing { #[default] None = "none", Gzip = "gzip", Zstd = "zstd" }
}

closed! {
    /// What becomes of rights.
    pub enum Rule { #[default] Report = "report", Strip = "strip", Refuse = "refuse" }
}

closed! {
    pub enum DeviceRule { #[default] Keep = "keep", Refuse = "refuse" }
}

closed! {
    /// What the converter may take out.
    pub enum Excess {
        #[default]
        All = "all",
        Apt = "apt",
        Apk = "apk",
        Dnf = "dnf",
        Pip = "pip",
        Npm = "npm",
        Documents = "documents",
        Manuals = "manuals",
        Info = "info",
        Locales = "locales",
        Logs = "logs",
    }
}

closed! {
    /// Why nothing is booted.
    pub enum Skipped {
        #[default]
        Off = "off",
        Format = "format",
        Compression = "compression",
        Init = "init",
    }
}

impl RootfsInit {
    /// As the wire and the converter have it.
    pub fn name(&self) -> &str {
        match self {
            Self::Direct => "direct",
            Self::Systemd => "systemd",
            Self::None => "none",
            Self::Custom(path) => path,
        }
    }
}

impl RootfsFormat {
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Ext4(_) => "ext4",
            Self::Tar => "tar",
        }
    }
}

impl Rootfs {
    /// Why what comes of it could not be booted; `None` where it could.
    pub fn unbootable(&self) -> Option<Skipped> {
        match (&self.format, self.packing, &self.init) {
            (RootfsFormat::Tar, _, _) => Some(Skipped::Format),
            (_, Packing::Gzip | Packing::Zstd, _) => Some(Skipped::Compression),
            (_, _, RootfsInit::None) => Some(Skipped::Init),
            _ => None,
        }
    }

    /// What its root filesystem is called among its artifacts.
    pub fn artifact(&self) -> String {
        let packed = match self.packing {
            Packing::None => "",
            Packing::Gzip => ".gz",
            Packing::Zstd => ".zst",
        };
        format!("rootfs.{}{packed}", self.format.name())
    }

    /// And its metadata.
    pub const fn metadata() -> &'static str {
        "rootfs.json"
    }

    /// The job's outputs, which follow from it.
    pub fn outputs(most_bytes: u64) -> Vec<OutputDisk> {
        let output = |name: &str, path: &str, max_bytes| OutputDisk {
            name: name.to_owned(),
            path: path.to_owned(),
            format: DiskFormat::Raw,
            max_bytes,
        };
        // The first is written to by the converter itself.
        vec![output(ROOTFS, "", most_bytes), output(METADATA, METADATA_PATH, METADATA_BYTES)]
    }
}
