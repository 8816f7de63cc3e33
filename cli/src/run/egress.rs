//! `--egress`: what the command may reach, and what becomes of the lockfile.
//!
//! ```text
//! record: the old lockfile is looked at ──▶ the job ──▶ its record ──▶ the new one, and what differs
//! locked: the lockfile is the policy    ──▶ the job ──▶ its record ──▶ what it lacked, and did not use
//! ```
//! All files are looked at before anything is begun, and a file that is no lockfile is left alone.

mod file;
mod settle;

use std::path::{Path, PathBuf};

use kiln_net::{
    lock::{self, InvalidLock, Lock, TooMany},
    policy::{InvalidPolicy, Policy, Rule},
};
use kiln_proto::v1;

use crate::args;

#[derive(Debug)]
pub(crate) struct Egress {
    policy: Policy,
    /// Of `record` and `locked` alone.
    lockfile: Option<Lockfile>,
}

#[derive(Debug)]
struct Lockfile {
    path: PathBuf,
    /// As it stands there; `None` where there is none yet.
    lock: Option<Lock>,
    purpose: Purpose,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    Write,
    Enforce,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum EgressError {
    #[error("--egress-lock goes with --egress record or --egress locked")]
    LockWithoutUse,
    #[error(
        "--egress record: nobody waits for a job of --detach, so nobody would write its lockfile; \
         leave --detach out"
    )]
    Detached,
    #[error("--egress @{} cannot be read", path.display())]
    Rules { path: PathBuf, source: std::io::Error },
    #[error("--egress @{} is no list of rules", path.display())]
    InvalidRules { path: PathBuf, source: InvalidPolicy },
    #[error(
        "there is no {}: `kiln run --egress record` writes it, and --egress-lock names another",
        path.display()
    )]
    NoLock { path: PathBuf },
    #[error("{} cannot be read", path.display())]
    Lock { path: PathBuf, source: std::io::Error },
    #[error("{} cannot be used", path.display())]
    InvalidLock { path: PathBuf, source: InvalidLock },
    #[error("{} cannot be written", path.display())]
    Write { path: PathBuf, source: std::io::Error },
    #[error("{} is left as it is", path.display())]
    TooMany { path: PathBuf, source: TooMany },
    #[error(
        "{} is left as it is: kilnd has no record of the job's network; `kiln job get` may show it \
         later",
        path.display()
    )]
    NoRecord { path: PathBuf },
}

/// Whether it is more than nothing.
pub(super) fn is_asked(spec: &v1::JobSpec) -> bool {
    let mode = spec.egress.as_ref().map(v1::Egress::mode);
    !matches!(mode, None | Some(v1::EgressMode::Unspecified | v1::EgressMode::None))
}

impl Egress {
    /// What `--egress` and `--egress-lock` say.
    pub(crate) fn of(
        asked: Option<&args::Egress>,
        lockfile: Option<&Path>,
        detach: bool,
    ) -> Result<Self, EgressError> {
        let asked = asked.cloned().unwrap_or(args::Egress::Policy(Policy::None));
        let path = || lockfile.unwrap_or(Path::new(lock::FILE_NAME)).to_owned();
        match asked {
            args::Egress::Policy(Policy::Record) if detach => Err(EgressError::Detached),
            args::Egress::Policy(Policy::Record) => {
                let lock = file::lock(&path())?;
                let lockfile = Lockfile { path: path(), lock, purpose: Purpose::Write };
                Ok(Self { policy: Policy::Record, lockfile: Some(lockfile) })
            }
            args::Egress::Locked => {
                let path = path();
                let Some(lock) = file::lock(&path)? else {
                    return Err(EgressError::NoLock { path });
                };
                let policy = lock.policy();
                let lockfile = Lockfile { path, lock: Some(lock), purpose: Purpose::Enforce };
                Ok(Self { policy, lockfile: Some(lockfile) })
            }
            _ if lockfile.is_some() => Err(EgressError::LockWithoutUse),
            args::Egress::Policy(policy) => Ok(Self { policy, lockfile: None }),
            args::Egress::Rules(path) => Ok(Self { policy: file::rules(&path)?, lockfile: None }),
        }
    }

    pub(crate) fn wire(&self) -> v1::Egress {
        let mode = match &self.policy {
            Policy::None => v1::EgressMode::None,
            Policy::Allow(_) => v1::EgressMode::Allow,
            Policy::Record => v1::EgressMode::Record,
            Policy::Internet => v1::EgressMode::Internet,
        };
        let rules = self.policy.rules().iter().map(Rule::to_string).collect();
        v1::Egress { mode: mode.into(), rules }
    }
}
