//! The command line, and the recipe that it stands for.

use std::{
    fs,
    path::{Path, PathBuf},
};

use clap::{Parser, ValueEnum};
use kiln_rootfs::{
    Format, Limits, Packing, Platform, Recipe, Wanted,
    ext4::{Free, Size},
    harden::{Devices, Policy, Rule},
    init::{Custom, Direct, Strategy},
    optimise::{self, Excess},
};

use super::{failure::Failure, pending::directory, size};

/// Make a root filesystem of an image: an OCI layout, a tar of one, or what `docker save` writes.
///
/// The same image and options give the same bytes, on every host and on every day. Nothing of the image is
/// unpacked to a directory, and no privilege is needed.
#[derive(Debug, Parser)]
#[command(name = "kiln-rootfs", version, max_term_width = 100)]
pub(super) struct Arguments {
    /// The image: a directory or a tar
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

/// Room for what a system writes when it starts.
const FREE: Free = Free::Percent(10);

/// This machine's platform, in the words of images.
fn here() -> Platform {
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    Platform { os: "linux".to_owned(), architecture: architecture.to_owned(), variant: None }
}

impl Arguments {
    pub(super) fn recipe(&self) -> Result<Recipe, Failure> {
        if let Some(metadata) = self.metadata.as_ref().filter(|path| is_same(path, &self.output)) {
            return Err(Failure::Twice(metadata.clone()));
        }
        Ok(Recipe {
            wanted: Wanted { platform: self.platform.clone(), name: self.name.clone() },
            limits: Limits::default(),
            optimise: self.optimise()?,
            harden: (!self.no_harden).then(|| self.policy()),
            init: self.strategy()?,
            format: self.format()?,
            packing: match self.compress {
                Compress::None => Packing::None,
                Compress::Gzip => Packing::Gzip,
                Compress::Zstd => Packing::Zstd,
            },
        })
    }

    fn optimise(&self) -> Result<Option<optimise::Options>, Failure> {
        if self.optimize.is_empty() {
            return Ok(None);
        }
        let mut options =
            optimise::Options { kept_locales: self.keep_locale.clone(), ..Default::default() };
        if self.optimize != ["all"] {
            let known = |name: &String| {
                let found = Excess::ALL.into_iter().find(|excess| excess.name() == name);
                found.ok_or_else(|| Failure::Excess(name.clone()))
            };
            options.excesses = self.optimize.iter().map(known).collect::<Result<_, _>>()?;
        }
        Ok(Some(options))
    }

    fn policy(&self) -> Policy {
        let inside = |path: &String| path.trim_matches('/').as_bytes().to_vec();
        Policy {
            kept: self.keep_secret.iter().map(inside).collect(),
            set_id: self.setuid.rule(),
            capabilities: self.capabilities.rule(),
            world_writable: self.world_writable.rule(),
            devices: match self.devices {
                Nodes::Keep => Devices::Keep,
                Nodes::Refuse => Devices::Refuse,
            },
        }
    }

    fn strategy(&self) -> Result<Option<Strategy>, Failure> {
        let strategy = match self.init.as_str() {
            "none" => None,
            "direct" => Some(Strategy::Direct(Direct {
                program: init_program(self.init_program.as_deref())?,
                hostname: None,
                memory: Vec::new(),
                stop_seconds: None,
            })),
            "systemd" => Some(Strategy::Systemd),
            path if path.starts_with('/') => {
                Some(Strategy::Custom(Custom { program: path.to_owned() }))
            }
            other => return Err(Failure::Init(other.to_owned())),
        };
        if self.init_program.is_some() && !matches!(strategy, Some(Strategy::Direct(_))) {
            return Err(Failure::NoDirect);
        }
        Ok(strategy)
    }

    fn format(&self) -> Result<Format, Failure> {
        match self.format {
            Kind::Ext4 => Ok(Format::Ext4 {
                label: self.label.clone().unwrap_or_default(),
                size: match (self.size, self.free) {
                    (Some(bytes), _) => Size::Exact(bytes),
                    (None, free) => Size::Fitted(free.unwrap_or(FREE)),
                },
                limit: self.size_limit,
            }),
            Kind::Tar => {
                let ext4s = [
                    ("--size-limit", self.size_limit.is_some()),
                    ("--size", self.size.is_some()),
                    ("--free", self.free.is_some()),
                    ("--label", self.label.is_some()),
                ];
                match ext4s.into_iter().find(|(_, given)| *given) {
                    Some((option, _)) => Err(Failure::NotOfTars(option)),
                    None => Ok(Format::Tar),
                }
            }
        }
    }
}

/// Whether two paths are the same name of the same directory.
fn is_same(one: &Path, other: &Path) -> bool {
    let place = |path| Some((fs::canonicalize(directory(path)).ok()?, path.file_name()?));
    one == other || place(one).is_some_and(|found| place(other) == Some(found))
}

/// The static init that goes into the root.
fn init_program(asked: Option<&Path>) -> Result<Vec<u8>, Failure> {
    let path = match asked {
        Some(path) => path.to_owned(),
        None => std::env::current_exe().unwrap_or_default().with_file_name("kiln-init"),
    };
    fs::read(&path).map_err(|source| Failure::InitProgram { path, source })
}

impl Deal {
    fn rule(self) -> Rule {
        match self {
            Self::Report => Rule::Report,
            Self::Strip => Rule::Strip,
            Self::Refuse => Rule::Refuse,
        }
    }
}
