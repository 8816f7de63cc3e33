//! Where this host lets us make cgroups.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
};

use super::{Cgroup, CgroupError, CgroupLimits, name};

const MOUNTS: &str = "/proc/self/mountinfo";
/// Of version 1, the one that must be there first.
const CONTROLLERS: [&str; 3] = ["memory", "pids", "cpuacct"];

/// The cgroups of one home.
#[derive(Clone, Debug)]
pub struct Cgroups {
    /// `kiln-INSTANCE` in each hierarchy.
    homes: Vec<PathBuf>,
}

/// Why VMs run without limits of their own here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct NoCgroups {
    pub reason: String,
}

impl Cgroups {
    /// Finds the hierarchies and makes the home's directory in each, which proves that it can be
    /// done.
    pub fn detect(instance: &str) -> Result<Self, NoCgroups> {
        let mounts = fs::read_to_string(MOUNTS).map_err(|error| NoCgroups {
            reason: format!("{MOUNTS} could not be read: {error}"),
        })?;
        Self::among(&mounts, instance)
    }

    pub(super) fn among(mounts: &str, instance: &str) -> Result<Self, NoCgroups> {
        let home = name::of_instance(instance)
            .ok_or_else(|| NoCgroups { reason: format!("{instance} cannot name a cgroup") })?;
        let roots = roots(mounts)?;
        let homes: Vec<_> = roots.iter().map(|root| root.join(&home)).collect();
        for (root, home) in roots.iter().zip(&homes) {
            prepare(root, home)?;
        }
        Ok(Self { homes })
    }

    /// Makes the cgroup of `job`, with its limits in place.
    pub fn create(&self, job: &str, limits: CgroupLimits) -> Result<Cgroup, CgroupError> {
        let directories = self.directories(job)?;
        for (index, path) in directories.iter().enumerate() {
            let made = match fs::create_dir(path) {
                Ok(()) => limits.set(path),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    undo(&directories[..index]);
                    return Err(CgroupError::Exists { path: path.clone() });
                }
                Err(source) => Err(CgroupError::Make { path: path.clone(), source }),
            };
            if let Err(error) = made {
                undo(&directories[..=index]);
                return Err(error);
            }
        }
        let cgroup = Cgroup::of(directories);
        let actual = cgroup.memory_limit_bytes();
        if actual == Some(limits.memory_bytes) {
            return Ok(cgroup);
        }
        // No hierarchy had the file: it would be a limit in name alone.
        undo(cgroup.directories());
        Err(CgroupError::ReadBack {
            path: cgroup.directories().first().cloned().unwrap_or_default(),
            asked: limits.memory_bytes,
            actual: actual.map_or_else(|| "nothing".to_owned(), |actual| actual.to_string()),
        })
    }

    /// The cgroup of `job`, if there is one.
    pub fn open(&self, job: &str) -> Option<Cgroup> {
        let directories = self.directories(job).ok()?;
        let there = directories.iter().any(|directory| directory.is_dir());
        there.then(|| Cgroup::of(directories))
    }

    /// The jobs that have a cgroup of this home.
    pub fn leftovers(&self) -> io::Result<Vec<String>> {
        let mut jobs = BTreeSet::new();
        for home in &self.homes {
            for entry in fs::read_dir(home)? {
                let entry = entry?;
                if let Ok(job) = entry.file_name().into_string()
                    && name::is_plain(&job)
                    && entry.file_type()?.is_dir()
                {
                    jobs.insert(job);
                }
            }
        }
        Ok(jobs.into_iter().collect())
    }

    /// Removes the home's own directories when nothing is left in them: the end of a daemon that
    /// has no VM any more.
    pub fn release(&self) {
        undo(&self.homes);
    }

    fn directories(&self, job: &str) -> Result<Vec<PathBuf>, CgroupError> {
        if !name::is_plain(job) {
            return Err(CgroupError::Name { name: job.to_owned() });
        }
        Ok(self.homes.iter().map(|home| home.join(job)).collect())
    }
}

fn undo(directories: &[PathBuf]) {
    for directory in directories {
        // One that is not empty is not ours to undo: the kernel keeps it.
        let _in_use = fs::remove_dir(directory);
    }
}

/// The mount points of the hierarchies that have what we need.
fn roots(mounts: &str) -> Result<Vec<PathBuf>, NoCgroups> {
    let mut unified = None;
    let mut found: [Option<PathBuf>; 3] = [None, None, None];
    for line in mounts.lines() {
        // `36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue`
        let Some((mount, system)) = line.split_once(" - ") else { continue };
        let Some(point) = mount.split(' ').nth(4).map(PathBuf::from) else { continue };
        let mut system = system.split(' ');
        match (system.next(), system.nth(1)) {
            (Some("cgroup2"), _) => unified = unified.or(Some(point)),
            (Some("cgroup"), Some(options)) => {
                for (controller, found) in CONTROLLERS.iter().zip(&mut found) {
                    if found.is_none() && options.split(',').any(|option| option == *controller) {
                        *found = Some(point.clone());
                    }
                }
            }
            _ => {}
        }
    }
    if found[0].is_some() {
        let mut roots: Vec<PathBuf> = Vec::new();
        for root in found.into_iter().flatten() {
            // Controllers can share a hierarchy.
            if !roots.contains(&root) {
                roots.push(root);
            }
        }
        return Ok(roots);
    }
    let root = unified.ok_or_else(|| NoCgroups { reason: "no cgroups are mounted".to_owned() })?;
    Ok(vec![root])
}

/// Makes `home` below `root`. In version 2 its children have the controllers only if each level
/// above hands them down.
fn prepare(root: &Path, home: &Path) -> Result<(), NoCgroups> {
    let no = |path: &Path, error: io::Error| NoCgroups {
        reason: format!("{} cannot be used: {error}", path.display()),
    };
    let unified = root.join("cgroup.controllers");
    let controllers = match fs::read_to_string(&unified) {
        Ok(controllers) => Some(controllers),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(no(&unified, error)),
    };
    if let Some(controllers) = &controllers {
        for needed in ["memory", "pids"] {
            if !controllers.split_whitespace().any(|controller| controller == needed) {
                let reason = format!("the hierarchy at {} has no {needed}", root.display());
                return Err(NoCgroups { reason });
            }
        }
        hand_down(root).map_err(|error| no(root, error))?;
    }
    match fs::create_dir(home) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(no(home, error)),
    }
    if controllers.is_some() {
        hand_down(home).map_err(|error| no(home, error))?;
    }
    Ok(())
}

fn hand_down(directory: &Path) -> io::Result<()> {
    fs::write(directory.join("cgroup.subtree_control"), "+memory +pids")
}
