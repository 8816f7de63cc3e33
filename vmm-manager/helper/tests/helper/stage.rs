//! A home, and a helper for it.

use std::{
    fs,
    io::{PipeReader, PipeWriter, pipe},
    os::{
        fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd},
        unix::{
            fs::{chown, symlink},
            process::CommandExt as _,
        },
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use kiln_helper::{Answer, Channel, ChannelError, Message, Policy, Request, SOCKET, Uids};
use kiln_net::plan::HostNetwork;
use kiln_shim::privileges::Keeper;
use tempfile::TempDir;

pub(crate) const KEEPER: Keeper = Keeper { uid: 64_997, gid: 64_996 };
pub(crate) const FIRST: u32 = 1_950_000_000;
pub(crate) const JOB: &str = "job";
/// What may run without a jail here.
pub(crate) const UNJAILED: &str = "/bin/sleep";
/// What may run in one.
pub(crate) const PROGRAM: &str = "/usr/bin/env";
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Stage {
    pub(crate) policy: Policy,
    channel: Option<Channel>,
    pub(crate) helper: Child,
    _directory: TempDir,
}

impl Stage {
    /// Of a home that no other test has.
    pub(crate) fn new(instance: &str) -> Self {
        Self::with(instance, None)
    }

    /// With networks, in the calling thread's namespace.
    pub(crate) fn with(instance: &str, network: Option<HostNetwork>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().canonicalize().unwrap();
        let (home, image) = (root.join("home"), root.join("image"));
        for path in ["vms/job/run", "vms/other", "sources", "store", "jobs/one/outputs"] {
            fs::create_dir_all(home.join(path)).unwrap();
        }
        fs::create_dir(&image).unwrap();
        let output = "home/jobs/one/outputs/rootfs";
        let files = ["home/store/db", "home/instance", "home/sources/s", "image/kernel"];
        let partial = "home/jobs/one/outputs/rootfs.partial";
        for file in files.into_iter().chain([output, partial, "home/jobs/one/log"]) {
            fs::write(root.join(file), "").unwrap();
        }
        for file in ["disk", "run/vsock.sock"] {
            fs::write(home.join("vms/job").join(file), "").unwrap();
        }
        for path in ["", "vms", "vms/job", "vms/job/disk", "vms/job/run", "vms/other", "sources"] {
            chown(home.join(path), Some(KEEPER.uid), Some(KEEPER.gid)).unwrap();
        }
        let shim = root.join("kiln-shim");
        symlink(std::env::current_exe().unwrap(), &shim).unwrap();
        let policy = Policy {
            instance: instance.to_owned(),
            home,
            keeper: KEEPER,
            uids: vec![Uids { first: FIRST, last: FIRST + 1023 }],
            shim,
            programs: vec![PathBuf::from(PROGRAM).canonicalize().unwrap()],
            gateway: None,
            unjailed: vec![UNJAILED.into()],
            readable: vec![image],
            socket: root.join("kilnd.sock"),
            network,
            networks: root.join("networks"),
        };
        let (channel, helper) = start(&policy);
        Self { policy, channel: Some(channel), helper, _directory: directory }
    }

    /// As when kilnd was killed, and the next one comes.
    pub(crate) fn again(&mut self) {
        self.hang_up();
        until("the helper has ended", || self.helper.try_wait().unwrap().is_some());
        let (channel, helper) = start(&self.policy);
        (self.channel, self.helper) = (Some(channel), helper);
    }

    pub(crate) fn job(&self) -> PathBuf {
        self.policy.home.join("vms").join(JOB)
    }

    pub(crate) fn root(&self) -> &Path {
        self.policy.home.parent().unwrap()
    }

    fn channel(&self) -> &Channel {
        self.channel.as_ref().unwrap()
    }

    pub(crate) fn ask(&self, request: &Request) -> Answer {
        self.ask_with(request, &[])
    }

    pub(crate) fn ask_with(&self, request: &Request, descriptors: &[BorrowedFd<'_>]) -> Answer {
        self.channel().send(request, descriptors).unwrap();
        self.answer().unwrap()
    }

    /// Without waiting for what comes of it.
    pub(crate) fn leave(&self, request: &Request) {
        self.channel().send(request, &[]).unwrap();
    }

    pub(crate) fn say(&self, bytes: &[u8]) -> Answer {
        self.channel().send_bytes(bytes, &[]).unwrap();
        self.answer().unwrap()
    }

    /// Past every check of ours.
    pub(crate) fn shout(&self, bytes: &[u8]) -> Answer {
        let flags = rustix::net::SendFlags::empty();
        rustix::net::send(self.channel().socket(), bytes, flags).unwrap();
        self.answer().unwrap()
    }

    /// With the descriptors that come with the answer.
    pub(crate) fn get(&self, request: &Request) -> (Answer, Vec<OwnedFd>) {
        self.channel().send(request, &[]).unwrap();
        let Message { body, descriptors } = self.channel().receive().unwrap();
        (body, descriptors)
    }

    fn answer(&self) -> Result<Answer, ChannelError> {
        self.channel().receive().map(|Message { body, .. }| body)
    }

    /// With the lines that belong to it.
    pub(crate) fn start(&self, order: &kiln_shim::Order) -> (Answer, PipeWriter, PipeReader) {
        let (hears, leash) = pipe().unwrap();
        let (report, says) = pipe().unwrap();
        let request = Request::StartSupervisor { order: Box::new(order.clone()) };
        let answer = self.ask_with(&request, &[hears.as_fd(), says.as_fd()]);
        (answer, leash, report)
    }

    /// As when kilnd ends.
    pub(crate) fn hang_up(&mut self) {
        self.channel = None;
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if self.channel.is_some() {
            self.ask(&Request::RemoveCgroup { job: JOB.to_owned() });
            self.ask(&Request::ReleaseCgroups {});
        }
        self.hang_up();
        until("the helper has ended", || self.helper.try_wait().unwrap().is_some());
    }
}

fn start(policy: &Policy) -> (Channel, Child) {
    let (ours, theirs) = Channel::pair().unwrap();
    let number = theirs.socket().as_raw_fd();
    let mut command = Command::new(env!("CARGO_BIN_EXE_kiln-helper"));
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    // SAFETY: one system call on a descriptor that is open.
    unsafe {
        command.pre_exec(move || {
            assert!(libc::dup2(number, SOCKET) == SOCKET);
            Ok(())
        });
    }
    let mut helper = command.spawn().unwrap();
    serde_json::to_writer(helper.stdin.take().unwrap(), policy).unwrap();
    (ours, helper)
}

pub(crate) fn is_refused(answer: &Answer) -> bool {
    matches!(answer, Answer::Refused { .. })
}

pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A line of `/proc/PID/status`.
pub(crate) fn status(pid: u32, field: &str) -> String {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    line.unwrap_or_default().trim().to_owned()
}
