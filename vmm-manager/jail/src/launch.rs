//! From a program and its jail to a process.
//!
//! ```text
//! parent                                                child
//! paths opened, checked, handed over
//! root, rules, filter made; nothing is anywhere yet
//! clone ──────────────────────────────────────────────▶ a network that it is given
//!   │                                                   cgroups, session, limits, signals
//!   │                                                   root entered, the host's let go
//!   │                                                   descriptors in order, the rest closed by exec
//!   │                                                   user, capabilities, no new privileges
//!   │                                                   dies with its parent; is there one still?
//!   │                                                   Landlock, filter
//!   ◀─────────────── "entered" ──────────────────────── exec
//!   ◀─────────────── the pipe's end ─────────────────── the program
//! ```
//!
//! *Failure paths*: before the clone nothing has happened but that files of the machine have their
//! new owner. A step that fails is told on the pipe, and the child ends and is reaped; a child that
//! is killed says nothing, and the end of the pipe without a word tells so. A parent that dies at
//! any moment takes the child along.

use std::{
    io,
    os::fd::{AsFd as _, BorrowedFd, OwnedFd, RawFd},
    path::{Path, PathBuf},
};

use rustix::{
    io::fcntl_dupfd_cloexec,
    pipe::{PipeFlags, pipe_with},
    process::{Pid, WaitId, WaitIdOptions, waitid},
};

use crate::{
    Confinement, Jail, LaunchFailure,
    birth::Birth,
    fork::{Forked, fork},
    word::{Place, Setback, Word},
};

/// Above all numbers that programs are given.
const ABOVE: RawFd = 200;

/// A program to be started. It has no environment, and no descriptor but those that are named.
#[derive(Debug)]
pub struct Launch<'a> {
    /// Absolute, and for one with a jail among its paths.
    pub program: &'a Path,
    pub arguments: &'a [String],
    /// What the machine's own directory is called in the jail: absolute, and the program's working
    /// directory.
    pub directory: &'a Path,
    /// That directory. By its name it is never opened: the name may lead elsewhere by now.
    pub within: BorrowedFd<'a>,
    /// `None` for what is not shut in.
    pub jail: Option<&'a Jail>,
    /// The network that it runs in, instead of an empty one; for a program with a user of its own.
    pub network: Option<BorrowedFd<'a>>,
    /// Joined before its first instruction.
    pub cgroups: &'a [PathBuf],
    /// What it has, under which number. None of the originals may have one of the numbers.
    pub descriptors: &'a [(BorrowedFd<'a>, RawFd)],
}

/// A child of this process.
#[derive(Debug)]
pub struct Launched {
    pub pid: Pid,
    pub pidfd: OwnedFd,
    /// `None` for one without a jail.
    pub confinement: Option<Confinement>,
}

impl Launch<'_> {
    /// Starts it, and waits until it runs. The kernel kills it when the thread that called this
    /// ends.
    pub fn start(&self) -> Result<Launched, LaunchFailure> {
        let channel = |error: io::Error| LaunchFailure::make("a pipe", error);
        let (hear, say) = pipe_with(PipeFlags::CLOEXEC).map_err(|error| channel(error.into()))?;
        let say = fcntl_dupfd_cloexec(say, ABOVE).map_err(|error| channel(error.into()))?;
        let birth = Birth::prepare(self)?;
        // SAFETY: `run` is made for the time behind a fork, and does not come back.
        match unsafe { fork(birth.apart()) } {
            Ok(Forked::Child) => birth.run(&hear, &say),
            Ok(Forked::Parent { pid, pidfd }) => {
                drop(say);
                let words = Word::hear(&hear);
                self.outcome(&birth, &words, pid, pidfd)
            }
            Err(error) => Err(LaunchFailure::make("a process", error)),
        }
    }

    fn outcome(
        &self,
        birth: &Birth<'_>,
        words: &[Word],
        pid: Pid,
        pidfd: OwnedFd,
    ) -> Result<Launched, LaunchFailure> {
        let failure = match *words {
            [Word::Entered { core_scheduling }] => {
                return Ok(Launched {
                    pid,
                    pidfd,
                    confinement: birth.confinement(core_scheduling),
                });
            }
            [.., Word::Failed(setback)] => self.failure(setback),
            _ => LaunchFailure::Killed,
        };
        // It ends by itself.
        let _reaped = waitid(WaitId::PidFd(pidfd.as_fd()), WaitIdOptions::EXITED);
        Err(failure)
    }

    fn failure(&self, Setback { at, errno }: Setback) -> LaunchFailure {
        let index = |index: u32| usize::try_from(index).unwrap_or(usize::MAX);
        match at {
            Place::Step(step) => LaunchFailure::Step { step, errno },
            Place::Cgroup(at) => {
                let directory = self.cgroups.get(index(at)).cloned().unwrap_or_default();
                LaunchFailure::Cgroup { directory, errno }
            }
            Place::Mount(at) => {
                let given = self.jail.and_then(|jail| jail.paths.get(index(at)));
                let path = given.map(|given| given.path.clone()).unwrap_or_default();
                LaunchFailure::Mount { path, errno }
            }
            Place::Exec => LaunchFailure::Exec { program: self.program.to_owned(), errno },
        }
    }
}
