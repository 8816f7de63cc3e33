//! A directory as a machine has it, and programs in its jail.

use std::{
    fs::{self, File},
    io::{Read as _, Write as _},
    os::fd::{AsFd, BorrowedFd, OwnedFd, RawFd},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

use kiln_jail::{
    Access, Confinement, Jail, JailPath, JailUser, Launch, LaunchFailure, Launched, Profile,
};
use rustix::{
    pipe::{PipeFlags, pipe_with},
    process::{Signal, WaitId, WaitIdOptions, pidfd_send_signal, waitid},
};
use tempfile::TempDir;

use crate::probe;

/// Of VMMs and what belongs to them; a gateway has more, see `gateway`.
pub(crate) const PROFILES: [Profile; 3] =
    [Profile::CloudHypervisor, Profile::Qemu, Profile::VhostDeviceVsock];
/// Nobody's on any host.
pub(crate) const KEEPER: u32 = 1_899_999_999;
/// Where an x86 or arm program of this C library names its loader.
const LOADERS: [&str; 2] = ["/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1"];
/// Far more than anything takes: only a hang meets it.
const PATIENCE: Duration = Duration::from_secs(30);

/// Each with a user of its own.
pub(crate) struct Machine {
    directory: TempDir,
    pub(crate) user: u32,
}

impl Machine {
    pub(crate) fn new() -> Self {
        static USERS: AtomicU32 = AtomicU32::new(1_900_000_000);
        let directory = tempfile::Builder::new().prefix("kiln-jail-").tempdir().unwrap();
        let user = USERS.fetch_add(1, Ordering::Relaxed);
        let machine = Self { directory, user };
        fs::write(machine.path("kernel"), "a kernel").unwrap();
        fs::write(machine.path("disk"), vec![0; 1 << 20]).unwrap();
        machine
    }

    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory().join(name)
    }

    /// What a VMM has: itself, a kernel, a disk, and a place for sockets.
    pub(crate) fn jail(&self, profile: Profile) -> Jail {
        let own = [
            ("kernel", Access::Read),
            ("disk", Access::Write),
            ("run", Access::Sockets),
            ("shot", Access::Files),
        ];
        let own = own.map(|(name, access)| JailPath { path: self.path(name), access });
        Jail {
            user: Some(JailUser { id: self.user, keeper: KEEPER }),
            paths: program().into_iter().chain(own).collect(),
            profile,
            file_bytes: 2 << 20,
        }
    }

    pub(crate) fn start(&self, profile: Profile, arguments: &[&str]) -> Program {
        self.start_in(&self.jail(profile), arguments).unwrap()
    }

    pub(crate) fn start_in(
        &self,
        jail: &Jail,
        arguments: &[&str],
    ) -> Result<Program, LaunchFailure> {
        self.launch(jail, arguments, &[])
    }

    pub(crate) fn launch(
        &self,
        jail: &Jail,
        arguments: &[&str],
        cgroups: &[PathBuf],
    ) -> Result<Program, LaunchFailure> {
        self.launch_within(&File::open(self.directory()).unwrap(), jail, arguments, cgroups)
    }

    /// Whatever its directory's name leads to, it is `within`.
    pub(crate) fn launch_within(
        &self,
        within: &File,
        jail: &Jail,
        arguments: &[&str],
        cgroups: &[PathBuf],
    ) -> Result<Program, LaunchFailure> {
        self.launch_with(within, jail, arguments, cgroups, (None, &[]))
    }

    /// In a network that it is given, and with parts of it.
    pub(crate) fn launch_in(
        &self,
        network: BorrowedFd<'_>,
        parts: &[(BorrowedFd<'_>, RawFd)],
        jail: &Jail,
        arguments: &[&str],
    ) -> Result<Program, LaunchFailure> {
        let within = File::open(self.directory()).unwrap();
        self.launch_with(&within, jail, arguments, &[], (Some(network), parts))
    }

    fn launch_with(
        &self,
        within: &File,
        jail: &Jail,
        arguments: &[&str],
        cgroups: &[PathBuf],
        (network, parts): (Option<BorrowedFd<'_>>, &[(BorrowedFd<'_>, RawFd)]),
    ) -> Result<Program, LaunchFailure> {
        let (said, theirs) = high(pipe_with(PipeFlags::CLOEXEC).unwrap());
        let (hears, ours) = high(pipe_with(PipeFlags::CLOEXEC).unwrap());
        let own = std::env::current_exe().unwrap();
        let arguments: Vec<String> =
            [probe::MARK].iter().chain(arguments).map(|argument| (*argument).to_owned()).collect();
        let launched = Launch {
            program: &own,
            arguments: &arguments,
            directory: self.directory(),
            within: within.as_fd(),
            jail: Some(jail),
            network,
            cgroups,
            descriptors: &[&[(hears.as_fd(), 0), (theirs.as_fd(), 1), (theirs.as_fd(), 2)], parts]
                .concat(),
        }
        .start()?;
        let Launched { pid, pidfd, confinement } = launched;
        Ok(Program {
            pid: pid.as_raw_nonzero().get().cast_unsigned(),
            pidfd,
            confinement: confinement.unwrap(),
            said: said.into(),
            tell: Some(ours.into()),
        })
    }
}

/// The test itself, and what it is linked with, where its loader looks.
fn program() -> Vec<JailPath> {
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let mut paths: Vec<PathBuf> = maps
        .lines()
        .filter_map(|line| line.split_whitespace().nth(5))
        .filter(|path| path.contains(".so") && !path.contains("/ld-"))
        .map(PathBuf::from)
        .collect();
    paths.push(std::env::current_exe().unwrap());
    paths.extend(LOADERS.map(PathBuf::from).into_iter().filter(|loader| loader.exists()));
    paths.sort();
    paths.dedup();
    paths.into_iter().map(|path| JailPath { path, access: Access::Execute }).collect()
}

/// Out of the way of the numbers that a program is given.
pub(crate) fn above(descriptor: impl AsFd) -> OwnedFd {
    rustix::io::fcntl_dupfd_cloexec(descriptor, 300 as RawFd).unwrap()
}

fn high((one, other): (OwnedFd, OwnedFd)) -> (OwnedFd, OwnedFd) {
    (above(one), above(other))
}

/// Killed and reaped when it is dropped.
pub(crate) struct Program {
    pub(crate) pid: u32,
    pub(crate) pidfd: OwnedFd,
    pub(crate) confinement: Confinement,
    said: File,
    tell: Option<File>,
}

impl Program {
    /// All that it says until it ends; it must end well.
    pub(crate) fn finish(mut self) -> String {
        drop(self.tell.take());
        let mut said = String::new();
        self.said.read_to_string(&mut said).unwrap();
        let status = waitid(WaitId::PidFd(self.pidfd.as_fd()), WaitIdOptions::EXITED);
        let status = status.unwrap().unwrap();
        assert_eq!(status.exit_status(), Some(0), "{said}{status:?}");
        said
    }

    /// The next line that it says.
    pub(crate) fn line(&mut self) -> String {
        let mut line = Vec::new();
        let mut byte = [0];
        while self.said.read(&mut byte).unwrap() == 1 && byte[0] != b'\n' {
            line.push(byte[0]);
        }
        String::from_utf8(line).unwrap()
    }

    pub(crate) fn say(&mut self, line: &str) {
        writeln!(self.tell.as_mut().unwrap(), "{line}").unwrap();
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _gone = pidfd_send_signal(&self.pidfd, Signal::KILL);
        let _reaped = waitid(WaitId::PidFd(self.pidfd.as_fd()), WaitIdOptions::EXITED);
    }
}

pub(crate) fn until(mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "waited in vain");
        std::thread::sleep(Duration::from_millis(2));
    }
}
