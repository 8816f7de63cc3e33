//! What a root filesystem was asked to be.

use serde::{Deserialize, Serialize};

use super::{
    DocumentError,
    boot::{CheckDocument, word},
};
use crate::job::{
    Rootfs,
    rootfs::{
        DeviceRule, Excess, Ext4, Harden, Packing, RootfsFormat, RootfsImage, RootfsInit, Rule,
    },
};

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RootfsDocument {
    source: Source,
    platform: String,
    format: Format,
    packing: String,
    init: Init,
    optimize: Vec<String>,
    keep_locales: Vec<String>,
    harden: Option<HardenDocument>,
    check: Option<CheckDocument>,
    commands: Vec<String>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Source {
    Reference(String),
    Build { build: String, export: String },
    Upload(String),
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Format {
    Ext4 { size_bytes: Option<u64>, limit_bytes: Option<u64>, free: Option<String>, label: String },
    Tar,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Init {
    Direct,
    Systemd,
    None,
    Custom(String),
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct HardenDocument {
    keep_secrets: Vec<String>,
    setuid: String,
    capabilities: String,
    world_writable: String,
    devices: String,
}

impl From<&Rootfs> for RootfsDocument {
    fn from(rootfs: &Rootfs) -> Self {
        let Rootfs {
            source,
            platform,
            format,
            packing,
            init,
            optimize,
            keep_locales,
            harden,
            check,
            commands,
        } = rootfs;
        Self {
            source: source.into(),
            platform: platform.clone(),
            format: format.into(),
            packing: packing.name().to_owned(),
            init: init.into(),
            optimize: optimize.iter().map(|excess| excess.name().to_owned()).collect(),
            keep_locales: keep_locales.clone(),
            harden: harden.as_ref().map(HardenDocument::from),
            check: check.as_ref().map(CheckDocument::from),
            commands: commands.clone(),
        }
    }
}

impl TryFrom<RootfsDocument> for Rootfs {
    type Error = DocumentError;

    fn try_from(document: RootfsDocument) -> Result<Self, DocumentError> {
        let RootfsDocument {
            source,
            platform,
            format,
            packing,
            init,
            optimize,
            keep_locales,
            harden,
            check,
            commands,
        } = document;
        let excess = |text: String| word("optimize", text, Excess::named);
        Ok(Self {
            source: source.try_into()?,
            platform,
            format: format.into(),
            packing: word("packing", packing, Packing::named)?,
            init: init.into(),
            optimize: optimize.into_iter().map(excess).collect::<Result<_, _>>()?,
            keep_locales,
            harden: harden.map(Harden::try_from).transpose()?,
            check: check.map(TryInto::try_into).transpose()?,
            commands,
        })
    }
}

impl From<&RootfsImage> for Source {
    fn from(source: &RootfsImage) -> Self {
        match source {
            RootfsImage::Reference(reference) => Self::Reference(reference.clone()),
            RootfsImage::Build { build, export } => {
                Self::Build { build: build.to_string(), export: export.clone() }
            }
            RootfsImage::Upload(source) => Self::Upload(source.to_string()),
        }
    }
}

impl TryFrom<Source> for RootfsImage {
    type Error = DocumentError;

    fn try_from(source: Source) -> Result<Self, DocumentError> {
        Ok(match source {
            Source::Reference(reference) => Self::Reference(reference),
            Source::Build { build, export } => {
                Self::Build { build: word("build", build, |id| id.parse().ok())?, export }
            }
            Source::Upload(id) => Self::Upload(word("source", id, |id| id.parse().ok())?),
        })
    }
}

impl From<&RootfsFormat> for Format {
    fn from(format: &RootfsFormat) -> Self {
        match format {
            RootfsFormat::Ext4(ext4) => {
                let Ext4 { size_bytes, limit_bytes, free, label } = ext4.clone();
                Self::Ext4 { size_bytes, limit_bytes, free, label }
            }
            RootfsFormat::Tar => Self::Tar,
        }
    }
}

impl From<Format> for RootfsFormat {
    fn from(format: Format) -> Self {
        match format {
            Format::Ext4 { size_bytes, limit_bytes, free, label } => {
                Self::Ext4(Ext4 { size_bytes, limit_bytes, free, label })
            }
            Format::Tar => Self::Tar,
        }
    }
}

impl From<&RootfsInit> for Init {
    fn from(init: &RootfsInit) -> Self {
        match init {
            RootfsInit::Direct => Self::Direct,
            RootfsInit::Systemd => Self::Systemd,
            RootfsInit::None => Self::None,
            RootfsInit::Custom(path) => Self::Custom(path.clone()),
        }
    }
}

impl From<Init> for RootfsInit {
    fn from(init: Init) -> Self {
        match init {
            Init::Direct => Self::Direct,
            Init::Systemd => Self::Systemd,
            Init::None => Self::None,
            Init::Custom(path) => Self::Custom(path),
        }
    }
}

impl From<&Harden> for HardenDocument {
    fn from(harden: &Harden) -> Self {
        let Harden { keep_secrets, setuid, capabilities, world_writable, devices } = harden;
        Self {
            keep_secrets: keep_secrets.clone(),
            setuid: setuid.name().to_owned(),
            capabilities: capabilities.name().to_owned(),
            world_writable: world_writable.name().to_owned(),
            devices: devices.name().to_owned(),
        }
    }
}

impl TryFrom<HardenDocument> for Harden {
    type Error = DocumentError;

    fn try_from(document: HardenDocument) -> Result<Self, DocumentError> {
        let HardenDocument { keep_secrets, setuid, capabilities, world_writable, devices } =
            document;
        Ok(Self {
            keep_secrets,
            setuid: word("setuid", setuid, Rule::named)?,
            capabilities: word("capabilities", capabilities, Rule::named)?,
            world_writable: word("world_writable", world_writable, Rule::named)?,
            devices: word("devices", devices, DeviceRule::named)?,
        })
    }
}
