//! What a child does to itself between fork and exec.
//!
//! It is a copy of one thread of a process that may have had others, so it makes system calls and
//! reads what was prepared before; it neither allocates nor locks.

use std::{
    convert::Infallible,
    ffi::CString,
    io,
    os::{
        fd::{AsRawFd as _, BorrowedFd, OwnedFd, RawFd},
        unix::ffi::OsStrExt as _,
    },
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fs::{Mode, OFlags, open},
    io::write,
    process::{Signal, fchdir, set_parent_process_death_signal, setsid, umask},
};

use crate::{
    Access, Confinement, CoreScheduling, Jail, JailUser, Launch, LaunchFailure, Profile, Step,
    core_scheduling, credentials,
    filter::Filter,
    fork::Apart,
    image::Image,
    landlock::Rules,
    limits,
    network::Network,
    paths::{self, Given},
    root::Root,
    word::{Setback, Word},
};

/// What a program makes is for itself and its group.
const UMASK: Mode = Mode::from_raw_mode(0o007);
/// Of one that never came to its program.
const FAILED: i32 = 125;

#[derive(Debug)]
pub(crate) struct Birth<'a> {
    jail: Option<&'a Jail>,
    /// The files to which a process writes itself.
    cgroups: Vec<CString>,
    descriptors: &'a [(BorrowedFd<'a>, RawFd)],
    /// `None`: it stays in its starter's.
    root: Option<Root>,
    network: Option<Network<'a>>,
    core_scheduling: bool,
    rules: Option<Rules>,
    filter: Option<Filter>,
    within: BorrowedFd<'a>,
    image: Image,
}

impl<'a> Birth<'a> {
    pub(crate) fn prepare(launch: &Launch<'a>) -> Result<Self, LaunchFailure> {
        let Launch { program, arguments, directory, within, jail, network, cgroups, descriptors } =
            *launch;
        let (mut root, mut rules, mut filter) = (None, None, None);
        if let Some(jail) = jail {
            check_user(jail)?;
            let given = paths::open_all(jail, directory, within)?;
            if let Some(user) = &jail.user {
                root = Some(Root::new(&given, directory, user)?);
            }
            rules = rules_of(&given, root.as_ref(), jail.profile)?;
            filter = Some(Filter::of(jail.profile));
        }
        let name = |bytes: &[u8]| {
            CString::new(bytes).map_err(|error| LaunchFailure::make("a name", error))
        };
        let cgroups = cgroups
            .iter()
            .map(|directory| name(directory.join("cgroup.procs").as_os_str().as_bytes()));
        Ok(Self {
            jail,
            cgroups: cgroups.collect::<Result<_, _>>()?,
            descriptors,
            network: network.map(|network| Network::given(network, root.is_some())).transpose()?,
            root,
            rules,
            filter,
            core_scheduling: jail.is_some() && core_scheduling::is_needed(),
            within,
            image: Image::new(program, arguments)?,
        })
    }

    /// Which namespaces of its own the child begins in.
    pub(crate) fn apart(&self) -> Apart {
        match (&self.root, &self.network) {
            (None, _) => Apart::Not,
            (Some(_), None) => Apart::Alone,
            (Some(_), Some(_)) => Apart::ButNetwork,
        }
    }

    /// What a child that has said `core_scheduling` is held by.
    pub(crate) fn confinement(&self, core_scheduling: CoreScheduling) -> Option<Confinement> {
        self.jail.map(|jail| Confinement {
            user: jail.user.as_ref().map(|user| user.id),
            profile: jail.profile,
            landlock: self.rules.as_ref().map(Rules::version),
            core_scheduling,
            network: self.network.is_some(),
        })
    }

    /// In the child, with both ends of the pipe: the parent's has no other copy here, and so a
    /// reader elsewhere for as long as the parent lives.
    pub(crate) fn run(&self, hear: &OwnedFd, say: &OwnedFd) -> ! {
        let Err(setback) = self.become_program(hear, say);
        Word::Failed(setback).say(say);
        // SAFETY: it ends this process without anything of the one that it is a copy of.
        unsafe { libc::_exit(FAILED) }
    }

    fn become_program(&self, hear: &OwnedFd, say: &OwnedFd) -> Result<Infallible, Setback> {
        let core_scheduling = self.enter(hear, say)?;
        if let Some(rules) = &self.rules {
            rules.obey().map_err(|error| Setback::step(Step::Landlock, error))?;
        }
        // Behind it only what every program may do: a write to the pipe, the exec, the end.
        if let Some(filter) = &self.filter {
            filter.obey().map_err(|error| Setback::step(Step::Filter, error))?;
        }
        Word::Entered { core_scheduling }.say(say);
        // Since the rest is told on the pipe, which the exec closes, the word stands alone on it if
        // and only if the program runs.
        Err(Setback::exec(self.image.execute()))
    }

    fn enter(&self, hear: &OwnedFd, say: &OwnedFd) -> Result<CoreScheduling, Setback> {
        if let Some(network) = &self.network {
            network.join().map_err(|error| Setback::step(Step::Network, error))?;
        }
        self.join_cgroups()?;
        setsid().map_err(|error| Setback::step(Step::Session, error))?;
        limits::set(self.jail).map_err(|error| Setback::step(Step::Limits, error))?;
        reset_signals().map_err(|error| Setback::step(Step::Signals, error))?;
        let core_scheduling = core_scheduling::keep_apart(self.core_scheduling)
            .map_err(|error| Setback::step(Step::CoreScheduling, error))?;
        match &self.root {
            Some(root) => root.enter()?,
            None => fchdir(self.within).map_err(|error| Setback::step(Step::Directory, error))?,
        }
        // Not before the mounts are in place: their descriptors may have one of the numbers.
        self.order_descriptors().map_err(|error| Setback::step(Step::Descriptors, error))?;
        if let Some(jail) = self.jail {
            umask(UMASK);
            credentials::give_up(jail.user.as_ref())?;
        }
        // A change of credentials would undo it.
        die_with_parent(hear, say).map_err(|error| Setback::step(Step::Parent, error))?;
        Ok(core_scheduling)
    }

    /// From before its first instruction; what it uses on its way is its own as well.
    fn join_cgroups(&self) -> Result<(), Setback> {
        for (index, file) in self.cgroups.iter().enumerate() {
            // Whoever writes it.
            open(file.as_c_str(), OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())
                .and_then(|file| write(file, b"0"))
                .map_err(|error| Setback::cgroup(index, error))?;
        }
        // When the host runs out of memory, a guest goes before the one who answers for all of
        // them. Everybody may raise this; where /proc is missing, the kernel chooses by size as
        // ever.
        if let Ok(score) =
            open(c"/proc/self/oom_score_adj", OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())
        {
            let _ = write(score, b"500");
        }
        Ok(())
    }

    fn order_descriptors(&self) -> io::Result<()> {
        // SAFETY: plain system calls on numbers that are open, and on those that they are to have.
        unsafe {
            // Marked, not closed: the pipe goes with the exec itself.
            let cloexec = libc::CLOSE_RANGE_CLOEXEC;
            if libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, cloexec) != 0 {
                return Err(io::Error::last_os_error());
            }
            for (ours, theirs) in self.descriptors {
                if libc::dup2(ours.as_raw_fd(), *theirs) == -1 {
                    return Err(io::Error::last_os_error());
                }
            }
        }
        Ok(())
    }
}

/// Root would be no user of its own, and the last number means to change nothing.
fn check_user(jail: &Jail) -> Result<(), LaunchFailure> {
    let Some(&JailUser { id, keeper }) = jail.user.as_ref() else { return Ok(()) };
    match [id, keeper].into_iter().find(|number| *number == u32::MAX) {
        Some(id) => Err(LaunchFailure::User { id }),
        None if id == 0 || id == keeper => Err(LaunchFailure::User { id }),
        None => Ok(()),
    }
}

/// For all that is given; `None` where the kernel has no such rules.
fn rules_of(
    given: &[Given<'_>],
    root: Option<&Root>,
    profile: Profile,
) -> Result<Option<Rules>, LaunchFailure> {
    let Some(rules) = Rules::new(profile)? else { return Ok(None) };
    for given in given {
        match root {
            Some(root) if given.access == Access::Device => {
                rules.allow(root.node(given.path)?, given.access)?;
            }
            _ => rules.allow(&given.object, given.access)?,
        }
    }
    Ok(Some(rules))
}

fn reset_signals() -> io::Result<()> {
    // SAFETY: constants, and a mask on this stack.
    unsafe {
        // What the parent ignores or holds back is not meant for the child.
        for signal in [libc::SIGHUP, libc::SIGINT, libc::SIGPIPE, libc::SIGQUIT, libc::SIGTERM] {
            if libc::signal(signal, libc::SIG_DFL) == libc::SIG_ERR {
                return Err(io::Error::last_os_error());
            }
        }
        let mut none: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        if libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut()) != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

/// The kernel sends the signal when the parent ends from here on. One that ended earlier has
/// closed its end of the pipe by then, and the writer of a pipe that nobody reads is told. In
/// a namespace of its own a child cannot see by its parent's number whether that is still there.
fn die_with_parent(hear: &OwnedFd, say: &OwnedFd) -> io::Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    // SAFETY: this process has its own copy, and reads nothing from it.
    unsafe { libc::close(hear.as_raw_fd()) };
    let mut events = [PollFd::new(say, PollFlags::empty())];
    poll(&mut events, Some(&Timespec { tv_sec: 0, tv_nsec: 0 }))?;
    if events[0].revents().contains(PollFlags::ERR) {
        return Err(io::Error::from_raw_os_error(libc::EPIPE));
    }
    Ok(())
}
