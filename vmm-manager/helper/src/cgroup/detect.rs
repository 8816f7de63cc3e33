//! Where this host lets us make cgroups.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
};

use super::{CgroupError, CgroupLimits, limits, name};

const MOUNTS: &str = "/proc/self/mountinfo";
/// Of version 1, the one that must be there first.
const CONTROLLERS: [&str; 5] = ["memory", "pids", "cpuacct", "cpu", "blkio"];
/// Of version 2: without these there is no limit worth the name.
const NEEDED: [&str; 2] = ["memory", "pids"];
/// And these are taken where there are any.
const WANTED: [&str; 2] = ["cpu", "io"];

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

    /// The limits that this host's kernel cannot keep, for who reads the log.
    pub fn missing(&self) -> Vec<&'static str> {
        let any = |names: &[&str]| {
            let mut files = self.homes.iter().flat_map(|home| names.iter().map(|n| home.join(n)));
            files.any(|file| file.exists())
        };
        let mut missing = Vec::new();
        if !any(&["cpu.cfs_quota_us", "cpu.max"]) {
            missing.push("cpu");
        }
        if !any(&["blkio.weight", "blkio.bfq.weight", "io.weight", "io.bfq.weight"]) {
            missing.push("io");
        }
        missing
    }

    /// Makes the cgroup of `job`, with its limits in place.
    /// Its directories come back, the one that limits memory first.
    pub fn create(&self, job: &str, limits: CgroupLimits) -> Result<Vec<PathBuf>, CgroupError> {
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
        let actual = directories.iter().find_map(|path| limits::memory_limit_bytes(path));
        if actual == Some(limits.memory_bytes) {
            return Ok(directories);
        }
        // No hierarchy had the file: it would be a limit in name alone.
        undo(&directories);
        Err(CgroupError::ReadBack {
            path: directories.first().cloned().unwrap_or_default(),
            asked: limits.memory_bytes,
            actual: actual.map_or_else(|| "nothing".to_owned(), |actual| actual.to_string()),
        })
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

    /// `kiln-INSTANCE` in each hierarchy.
    pub fn homes(&self) -> &[PathBuf] {
        &self.homes
    }

    /// Those that [`Cgroups::homes`] told elsewhere.
    pub fn of_homes(homes: Vec<PathBuf>) -> Self {
        Self { homes }
    }

    /// Where the cgroup of `job` is, or would be.
    pub fn directories(&self, job: &str) -> Result<Vec<PathBuf>, CgroupError> {
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
    let mut found: [Option<PathBuf>; CONTROLLERS.len()] = Default::default();
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
        for needed in NEEDED {
            if !has(controllers, needed) {
                let reason = format!("the hierarchy at {} has no {needed}", root.display());
                return Err(NoCgroups { reason });
            }
        }
        hand_down(root, controllers).map_err(|error| no(root, error))?;
    }
    match fs::create_dir(home) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(no(home, error)),
    }
    if let Some(controllers) = &controllers {
        hand_down(home, controllers).map_err(|error| no(home, error))?;
    }
    Ok(())
}

fn has(controllers: &str, name: &str) -> bool {
    controllers.split_whitespace().any(|controller| controller == name)
}

fn hand_down(directory: &Path, controllers: &str) -> io::Result<()> {
    let wanted = WANTED.into_iter().filter(|name| has(controllers, name));
    let all = NEEDED.into_iter().chain(wanted).map(|name| format!("+{name}"));
    fs::write(directory.join("cgroup.subtree_control"), all.collect::<Vec<_>>().join(" "))
}
