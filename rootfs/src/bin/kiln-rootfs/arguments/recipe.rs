//! The recipe that a command line stands for.

use std::{fs, path::Path};

use kiln_rootfs::{
    Format, Limits, Packing, Recipe, Wanted,
    ext4::{Free, Size},
    harden::{Devices, Policy, Rule},
    init::{Custom, Direct, Strategy},
    optimise::{self, Excess},
};

use super::{Arguments, Compress, Deal, Kind, Nodes};
use crate::{failure::Failure, pending::directory};

/// Room for what a system writes when it starts.
const FREE: Free = Free::Percent(10);

impl Arguments {
    pub(crate) fn recipe(&self) -> Result<Recipe, Failure> {
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
