//! What a daemon takes as root, and how it stops being that.
//!
//! ```text
//! root, one thread ─▶ the home given to --user, opened as --user ─▶ image ─▶ slot ─▶ helper ─▶ --user,
//!                                                                                 no privileges
//! ```
//!
//! The helper's policy is written from the command line and from what is root's alone, before a byte
//! is read that a guest or a client has written. *Failure path*: whatever fails, the daemon ends, and
//! a helper that was started ends with its socket. kilnd that was not started as root takes the same
//! with the rights that it has, if it is allowed to go on like that.

use std::{
    env,
    fs::{self, DirBuilder},
    io,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
};

use kiln_helper::{Policy, Uids};
use kiln_images::GuestImage;
use kiln_registry::registries::InsecureFile;
use kiln_shim::privileges::{Keeper, become_user};
use rustix::{
    fs::{Gid, Mode, Uid},
    process::{
        Resource, Rlimit, Signal, geteuid, getrlimit, parent_process_death_signal,
        set_parent_process_death_signal, setrlimit, umask,
    },
    thread::{
        CapabilitySet, set_thread_groups, set_thread_res_gid, set_thread_res_uid, set_thread_uid,
    },
};

use super::user;
use crate::{
    config::{Config, DriverConfig},
    home::Home,
    host::helper,
    pool::{NUMBERS, Slot},
};

/// Beside kilnd: they are installed together.
const HELPER: &str = "kiln-helper";
/// Beside the pool: the daemons of a host share both.
const NETWORKS: &str = "net";
const ROOT: u32 = 0;

/// The ground on which a daemon runs, taken before its first thread.
#[derive(Debug)]
pub struct Claimed {
    pub(super) config: Config,
    pub(super) home: Home,
    /// Found to be what its manifest says: a root that was altered is not booted.
    pub(super) image: GuestImage,
    pub(super) slot: Slot,
}

#[derive(Debug, thiserror::Error)]
pub enum ClaimError {
    #[error("kilnd has {threads} threads already; what it takes as root, it takes with one")]
    Threads { threads: String },
    #[error("kilnd could not become the user {uid}")]
    Become { uid: u32, source: io::Error },
    #[error("kilnd is still root, or could be again, after it gave that up")]
    StillRoot,
    #[error(
        "kilnd reads --registries, and the files that it names, as user {uid}: `chown` them to that one"
    )]
    Registries { uid: u32, source: InsecureFile },
    #[error("{path} could not be made")]
    Make { path: PathBuf, source: io::Error },
    #[error("kilnd does not know where its own program is")]
    OwnProgram(#[source] io::Error),
}

/// Takes what the daemon needs, and gives up root for good. `unjailed` are the programs that a test's
/// driver runs without a jail.
///
/// To be called once, in `main`, by the only thread of the process.
pub fn claim(mut config: Config, unjailed: Vec<PathBuf>) -> anyhow::Result<Claimed> {
    no_core()?;
    if !geteuid().is_root() {
        tracing::warn!("kilnd is not root: VMs have neither users nor namespaces of their own");
        let home = Home::open(&config.home)?;
        let image = opened(&config)?;
        let slot = Slot::claim(&config.pool, home.instance(), home.path())?;
        return Ok(Claimed { config, home, image, slot });
    }
    one_thread()?;
    // Each change of users forgets it, and whoever started us may count on it.
    let with_starter = parent_process_death_signal().ok().flatten();
    let keeper = user::find(&config.user)?;
    if config.vm_users.contains(keeper.uid) {
        return Err(user::UserError::Vm { uid: keeper.uid }.into());
    }
    if let Some(registry) = &config.registry
        && let Some(path) = &registry.registries_file
    {
        let check = acting_as(keeper, || registry.registries.check(path))?;
        check.map_err(|source| ClaimError::Registries { uid: keeper.uid, source })?;
    }
    // What is made here is for others to go through, or says itself that it is not.
    umask(Mode::from_raw_mode(0o022));
    Home::give(&config.home, keeper)?;
    let home = acting_as(keeper, || Home::open(&config.home))??;
    let image = opened(&config)?;
    if let Some(parent) = config.socket.parent() {
        let make = DirBuilder::new().recursive(true).mode(0o755).create(parent);
        make.map_err(|source| ClaimError::Make { path: parent.to_owned(), source })?;
    }
    // Policies name it by where it is.
    config.socket = absolute(&config.socket)?;
    let slot = Slot::claim(&config.pool, home.instance(), home.path())?;
    let program = env::current_exe().map_err(ClaimError::OwnProgram)?.with_file_name(HELPER);
    helper::start(&program, &policy(&config, &home, &slot, keeper, unjailed)?)?;
    umask(Mode::from_raw_mode(0o077));
    give_up(keeper, with_starter)?;
    tracing::info!(uid = keeper.uid, gid = keeper.gid, "kilnd goes on without privileges");
    Ok(Claimed { config, home, image, slot })
}

fn policy(
    config: &Config,
    home: &Home,
    slot: &Slot,
    keeper: Keeper,
    unjailed: Vec<PathBuf>,
) -> anyhow::Result<Policy> {
    let first = config.vm_users.of(slot.index() * NUMBERS).id;
    let last = config.vm_users.of(slot.index() * NUMBERS + NUMBERS - 1).id;
    let probe = config.vm_users.of_probe().id;
    let DriverConfig { cloud_hypervisor, qemu, vhost_device_vsock, shim, gateway, .. } =
        &config.drivers;
    let programs = [cloud_hypervisor, qemu, vhost_device_vsock];
    Ok(Policy {
        instance: home.instance().to_owned(),
        home: home.path().to_owned(),
        keeper,
        uids: vec![Uids { first, last }, Uids { first: probe, last: probe }],
        shim: absolute(&shim.program)?,
        // One that is not there is the driver's to complain of.
        programs: programs.into_iter().filter_map(|program| found(program)).collect(),
        gateway: gateway.is_file().then(|| gateway.clone()),
        unjailed,
        readable: vec![absolute(&config.guest_image)?],
        socket: config.socket.clone(),
        networks: absolute(&config.pool)?.with_file_name(NETWORKS),
        network: config
            .network
            .as_ref()
            .map(|network| network.of_home(home.instance(), config.egress.ceiling.reach())),
    })
}

/// As a shell would find it; where it leads.
fn found(program: &Path) -> Option<PathBuf> {
    if program.components().count() > 1 {
        return fs::canonicalize(program).ok();
    }
    let path = env::var_os("PATH")?;
    env::split_paths(&path).find_map(|directory| fs::canonicalize(directory.join(program)).ok())
}

/// By its directory: the last component may not be there yet.
fn absolute(path: &Path) -> anyhow::Result<PathBuf> {
    let io = |source| ClaimError::Make { path: path.to_owned(), source };
    let whole = std::path::absolute(path).map_err(io)?;
    match (whole.parent(), whole.file_name()) {
        (Some(parent), Some(name)) => Ok(fs::canonicalize(parent).map_err(io)?.join(name)),
        _ => Ok(whole),
    }
}

/// Secrets of builds are in this process's memory, and nowhere else. What it starts has none either.
///
/// One byte: too few for a file, which none is made of then. Where cores are piped to a program, the
/// kernel heeds no limit, 0 included; but who has exactly this one is given to none.
fn no_core() -> io::Result<()> {
    let most = getrlimit(Resource::Core).maximum.map_or(1, |maximum| maximum.min(1));
    let none = Rlimit { current: Some(most), maximum: Some(most) };
    Ok(setrlimit(Resource::Core, none)?)
}

/// The kernel has a user for each thread; with one there is no other that stays root.
fn one_thread() -> Result<(), ClaimError> {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let threads = status.lines().find_map(|line| line.strip_prefix("Threads:")).map(str::trim);
    match threads {
        Some("1") => Ok(()),
        other => {
            Err(ClaimError::Threads { threads: other.unwrap_or("an unknown number of").into() })
        }
    }
}

/// Does `work` with the rights of `keeper`, whose files are its own to alter: root reads and writes
/// none of them.
fn acting_as<T>(keeper: Keeper, work: impl FnOnce() -> T) -> Result<T, ClaimError> {
    let failed =
        |error: rustix::io::Errno| ClaimError::Become { uid: keeper.uid, source: error.into() };
    let (root, root_group) = (Uid::from_raw(ROOT), Gid::from_raw(ROOT));
    set_thread_groups(&[]).map_err(failed)?;
    set_thread_res_gid(root_group, Gid::from_raw(keeper.gid), root_group).map_err(failed)?;
    set_thread_res_uid(root, Uid::from_raw(keeper.uid), root).map_err(failed)?;
    let done = work();
    set_thread_res_uid(root, root, root).map_err(failed)?;
    set_thread_res_gid(root_group, root_group, root_group).map_err(failed)?;
    Ok(done)
}

/// For good, and looked at afterwards.
fn give_up(keeper: Keeper, with_starter: Option<Signal>) -> Result<(), ClaimError> {
    let failed = |source| ClaimError::Become { uid: keeper.uid, source };
    become_user(keeper, CapabilitySet::empty()).map_err(failed)?;
    set_parent_process_death_signal(with_starter).map_err(|error| failed(error.into()))?;
    let root_again = set_thread_uid(Uid::from_raw(ROOT)).is_ok();
    let status = fs::read_to_string("/proc/self/status").map_err(failed)?;
    let field = |name: &str| {
        status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().trim()
    };
    let ids = |id: u32| [id.to_string(), id.to_string(), id.to_string(), id.to_string()].join("\t");
    let nothing = ["CapInh:", "CapPrm:", "CapEff:", "CapBnd:", "CapAmb:"]
        .iter()
        .all(|set| field(set).bytes().all(|digit| digit == b'0') && !field(set).is_empty());
    let is_so = nothing
        && field("Uid:") == ids(keeper.uid)
        && field("Gid:") == ids(keeper.gid)
        && field("Groups:").is_empty()
        && field("NoNewPrivs:") == "1";
    if is_so && !root_again { Ok(()) } else { Err(ClaimError::StillRoot) }
}

fn opened(config: &Config) -> anyhow::Result<GuestImage> {
    let image = GuestImage::open(&config.guest_image)?;
    image.verify()?;
    Ok(image)
}
