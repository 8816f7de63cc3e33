//! The cgroups of one home.

use std::io;

use kiln_helper::{Answer, Request, cgroup};

use super::{Cgroup, CgroupError, CgroupLimits, NoCgroups};
use crate::host::helper::{HelperError, helper};

#[derive(Clone, Debug)]
pub struct Cgroups {
    among: cgroup::Cgroups,
}

impl Cgroups {
    /// Finds the hierarchies and makes the home's directory in each, which proves that it can be
    /// done.
    pub fn detect(instance: &str) -> Result<Self, NoCgroups> {
        let Some(helper) = helper() else {
            return cgroup::Cgroups::detect(instance).map(|among| Self { among });
        };
        match helper.ask(&Request::PrepareCgroups {}) {
            Ok(Answer::Cgroups { homes }) => Ok(Self { among: cgroup::Cgroups::of_homes(homes) }),
            Ok(Answer::NoCgroups { reason }) => Err(NoCgroups { reason }),
            Ok(other) => Err(NoCgroups { reason: HelperError::answer(&other).to_string() }),
            Err(error) => Err(NoCgroups { reason: error.to_string() }),
        }
    }

    /// The limits that this host's kernel cannot keep, for who reads the log.
    pub fn missing(&self) -> Vec<&'static str> {
        self.among.missing()
    }

    /// Makes the cgroup of `job`, with its limits in place.
    pub fn create(&self, job: &str, limits: CgroupLimits) -> Result<Cgroup, CgroupError> {
        let Some(helper) = helper() else {
            return self.among.create(job, limits).map(Cgroup::of);
        };
        match helper.ask(&Request::MakeCgroup { job: job.to_owned(), limits }) {
            Ok(Answer::Cgroup { directories }) => Ok(Cgroup::of(directories)),
            Ok(other) => {
                Err(CgroupError::Helper { reason: HelperError::answer(&other).to_string() })
            }
            Err(error) => Err(CgroupError::Helper { reason: error.to_string() }),
        }
    }

    /// The cgroup of `job`, if there is one.
    pub fn open(&self, job: &str) -> Option<Cgroup> {
        let directories = self.among.directories(job).ok()?;
        let there = directories.iter().any(|directory| directory.is_dir());
        there.then(|| Cgroup::of(directories))
    }

    /// The jobs that have a cgroup of this home.
    pub fn leftovers(&self) -> io::Result<Vec<String>> {
        self.among.leftovers()
    }

    /// Removes the home's own directories when nothing is left in them: the end of a daemon that
    /// has no VM any more.
    pub fn release(&self) {
        match helper() {
            None => self.among.release(),
            Some(helper) => {
                if let Err(error) = helper.done(&Request::ReleaseCgroups {}) {
                    tracing::warn!(%error, "the home's own cgroups are left behind");
                }
            }
        }
    }
}
