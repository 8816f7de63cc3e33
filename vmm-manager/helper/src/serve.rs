//! One thread, one request at a time, to the end of the socket.

use std::{
    io::{self, Read as _, Write as _},
    os::fd::{AsFd, FromRawFd as _, OwnedFd, RawFd},
    process::{Child, ExitCode},
};

use kiln_net::host;
use kiln_shim::privileges::{START, limit};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fs::Mode,
    process::umask,
    thread::CapabilitySet,
};

use crate::{
    Answer, Channel, ChannelError, Message, Policy, Refusal, Request,
    cgroup::{CgroupError, Cgroups},
    epolls, files, kill, listen,
    networks::{Failure, Networks},
    supervisor::{self, Lines},
};

/// The descriptor of its end of the channel.
pub const SOCKET: RawFd = 3;
/// Far more than a policy is.
const MAX_POLICY_BYTES: u64 = 1 << 20;
/// How often it looks whether a supervisor has left its launcher, while there is one.
const LOOK: Timespec = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };

/// Of `main`: what the program does.
pub fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            log(&format!("kiln-helper cannot go on: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn run() -> io::Result<()> {
    let mut text = Vec::new();
    io::stdin().take(MAX_POLICY_BYTES).read_to_end(&mut text)?;
    let policy: Policy = serde_json::from_slice(&text)?;
    // SAFETY: whoever starts us gives us this descriptor, and nothing else here refers to it.
    let channel = Channel::new(unsafe { OwnedFd::from_raw_fd(SOCKET) });
    rustix::io::fcntl_setfd(channel.socket(), rustix::io::FdFlags::CLOEXEC)?;
    // A daemon that gives networks takes up what is left; one that does not must not leave it.
    if policy.network.is_none()
        && let Err(error) = host::clear(&policy.instance, &policy.networks)
    {
        log(&format!("kiln-helper: networks of before are left: {}", chain(&error)));
    }
    settle(&policy)?;
    Helper { policy, cgroups: None, launchers: Vec::new(), networks: Networks::default() }
        .serve(&channel);
    Ok(())
}

/// What it never needs, it gives up; what a terminal sends is for kilnd alone.
fn settle(policy: &Policy) -> io::Result<()> {
    // SAFETY: constants; there is one thread and there are no handlers.
    unsafe {
        for signal in [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT] {
            if libc::signal(signal, libc::SIG_IGN) == libc::SIG_ERR {
                return Err(io::Error::last_os_error());
            }
        }
    }
    std::env::set_current_dir("/")?;
    // Cgroups are for everybody to read.
    umask(Mode::from_raw_mode(0o022));
    let networks = match policy.network {
        // To make links and rules, and to listen where names are asked for.
        Some(_) => CapabilitySet::NET_ADMIN | CapabilitySet::NET_BIND_SERVICE,
        None => CapabilitySet::empty(),
    };
    limit(START | CapabilitySet::DAC_READ_SEARCH | networks)
}

struct Helper {
    policy: Policy,
    /// Once they were asked for, and where there are any.
    cgroups: Option<Cgroups>,
    /// Of supervisors, which have not yet left them.
    launchers: Vec<Child>,
    networks: Networks,
}

/// An answer, and what goes with it.
type Said = (Answer, Vec<OwnedFd>);

impl Helper {
    fn serve(&mut self, channel: &Channel) {
        loop {
            self.wait(channel);
            let (answer, descriptors) = match channel.receive::<Request>() {
                Ok(message) => self.answer(message),
                Err(ChannelError::Gone | ChannelError::Io(_)) => return,
                Err(error) => {
                    log(&format!("kiln-helper refuses a request: {error}"));
                    (Answer::Refused { reason: error.to_string() }, Vec::new())
                }
            };
            let descriptors: Vec<_> = descriptors.iter().map(AsFd::as_fd).collect();
            if channel.send(&answer, &descriptors).is_err() {
                return;
            }
        }
    }

    /// For the next request; who has ended meanwhile is reaped.
    fn wait(&mut self, channel: &Channel) {
        loop {
            self.launchers.retain_mut(|launcher| matches!(launcher.try_wait(), Ok(None)));
            let pause = (!self.launchers.is_empty()).then_some(&LOOK);
            let mut events = vec![PollFd::new(channel.socket(), PollFlags::IN)];
            events.extend(
                self.networks.watched().map(|host| PollFd::from_borrowed_fd(host, PollFlags::IN)),
            );
            let polled = poll(&mut events, pause);
            let [asked, changed] =
                [0, 1].map(|at| events.get(at).is_some_and(|event| !event.revents().is_empty()));
            if changed {
                for trouble in self.networks.look() {
                    log(&trouble);
                }
            }
            match polled {
                Ok(_) if !asked => {}
                Err(rustix::io::Errno::INTR) => {}
                Ok(_) | Err(_) => return,
            }
        }
    }

    fn answer(&mut self, Message { body, descriptors }: Message<Request>) -> Said {
        let name = body.name();
        match self.follow(body, descriptors) {
            Ok(said) => said,
            Err(refusal) => {
                let reason = chain(&refusal);
                log(&format!("kiln-helper refuses {name}: {reason}"));
                (Answer::Refused { reason }, Vec::new())
            }
        }
    }

    fn follow(&mut self, request: Request, descriptors: Vec<OwnedFd>) -> Result<Said, Refusal> {
        let (actual, expected) = (descriptors.len(), request.descriptors());
        if actual != expected {
            return Err(Refusal::Descriptors { actual, expected });
        }
        let answer = match request {
            Request::PrepareCgroups {} => match Cgroups::detect(&self.policy.instance) {
                Ok(cgroups) => {
                    let homes = cgroups.homes().to_vec();
                    self.cgroups = Some(cgroups);
                    Answer::Cgroups { homes }
                }
                Err(error) => Answer::NoCgroups { reason: error.to_string() },
            },
            Request::MakeCgroup { job, limits } => {
                let job = self.policy.job(&job)?;
                match self.cgroups.as_ref().map(|cgroups| cgroups.create(job, limits)) {
                    Some(Ok(directories)) => Answer::Cgroup { directories },
                    Some(Err(error)) => failed(&chain(&error), errno(&error)),
                    None => failed("there are no cgroups here", libc::ENOENT),
                }
            }
            Request::RemoveCgroup { job } => self.remove_cgroup(&job)?,
            Request::ReleaseCgroups {} => {
                if let Some(cgroups) = &self.cgroups {
                    cgroups.release();
                }
                Answer::Done {}
            }
            Request::StartSupervisor { order } => {
                let lines = Lines::new(descriptors)?;
                let given = self.networks.given(&order.name);
                self.policy.order(&order, &self.directories(&order.name)?, given.as_ref())?;
                let directory = self.policy.directory(&order.name)?;
                match supervisor::start(&self.policy, &order, &directory, lines, given.as_ref()) {
                    Ok(launcher) => {
                        self.launchers.push(launcher);
                        self.networks.gave(&order.name);
                        Answer::Done {}
                    }
                    Err(error) => io_failed(&self.policy.shim.display().to_string(), &error),
                }
            }
            Request::Kill { job, processes } => {
                kill::kill(&self.policy, &self.directories(&job)?, &processes)?;
                Answer::Done {}
            }
            Request::OpenEpolls { process } => match epolls::open(&self.policy, process)? {
                Ok(descriptions) => return Ok((Answer::Done {}, descriptions)),
                Err(error) => io_failed("what a program waits for", &error),
            },
            Request::RemoveFiles { job } => match files::remove(&self.policy, &job)? {
                Ok(()) => Answer::Done {},
                Err(error) => io_failed("a VM's directory", &error),
            },
            Request::Listen {} => match listen::listen(&self.policy)? {
                Ok(listener) => return Ok((Answer::Done {}, vec![listener])),
                Err(error) => io_failed("the daemon's socket", &error),
            },
            Request::Unlisten {} => match listen::unlisten(&self.policy)? {
                Ok(()) => Answer::Done {},
                Err(error) => io_failed("the daemon's socket", &error),
            },
            network => return self.network(network),
        };
        Ok((answer, Vec::new()))
    }

    fn network(&mut self, request: Request) -> Result<Said, Refusal> {
        let Self { policy, networks, .. } = self;
        let done = |done: Result<(), Failure>| done.map(|()| (Answer::Done {}, Vec::new()));
        let said = match request {
            Request::PrepareNetwork {} => done(networks.prepare(policy)?),
            Request::MakeNetwork { job, plan } => {
                let made = networks.make(policy.job(&job)?, plan)?;
                made.map(|(lease, tap)| (Answer::Network { lease }, vec![tap]))
            }
            Request::TakeNetwork { job, gateway, plan } => {
                let cgroups = self.directories(&job)?;
                let taken = self.networks.take(&self.policy, &cgroups, &job, gateway, plan)?;
                taken.map(|lease| (Answer::Network { lease }, Vec::new()))
            }
            Request::Admit { job, admissions } => {
                done(networks.admit(policy.job(&job)?, &admissions)?)
            }
            Request::ReadNetwork { job } => networks
                .read(policy.job(&job)?)?
                .map(|seen| (Answer::NetworkSeen { seen: Box::new(seen) }, Vec::new())),
            Request::ReleaseNetwork { job } => done(networks.release(policy.job(&job)?)?),
            Request::SweepNetworks { keep } => {
                for job in &keep {
                    policy.job(job)?;
                }
                done(networks.sweep(&keep)?)
            }
            Request::ReleaseHostNetwork {} => done(networks.release_host()),
            Request::NetworkTroubles {} => {
                let troubles = networks.troubles()?;
                Ok((Answer::NetworkTroubles { troubles }, Vec::new()))
            }
            other => {
                let reason = format!("{} is nothing of a network's", other.name());
                return Err(Refusal::Order { reason });
            }
        };
        Ok(match said {
            Ok(said) => said,
            Err(Failure::Answer(answer)) => (answer, Vec::new()),
            Err(Failure::Failed { what, errno }) => (failed(&what, errno), Vec::new()),
        })
    }

    /// Where the cgroup of `job` is; nowhere, where there are none.
    fn directories(&self, job: &str) -> Result<Vec<std::path::PathBuf>, Refusal> {
        let job = self.policy.job(job)?;
        let directories = self.cgroups.as_ref().and_then(|cgroups| cgroups.directories(job).ok());
        Ok(directories.unwrap_or_default())
    }

    fn remove_cgroup(&self, job: &str) -> Result<Answer, Refusal> {
        for path in self.directories(job)? {
            match std::fs::remove_dir(&path) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {
                    return Ok(Answer::Busy { path });
                }
                Err(error) => return Ok(io_failed(&path.display().to_string(), &error)),
            }
        }
        Ok(Answer::Done {})
    }
}

fn failed(what: &str, errno: i32) -> Answer {
    Answer::Failed { what: what.to_owned(), errno }
}

fn io_failed(what: &str, error: &io::Error) -> Answer {
    let errno = error.raw_os_error().unwrap_or(match error.kind() {
        io::ErrorKind::AlreadyExists => libc::EEXIST,
        io::ErrorKind::AddrInUse => libc::EADDRINUSE,
        _ => libc::EIO,
    });
    failed(what, errno)
}

fn errno(error: &CgroupError) -> i32 {
    match error {
        CgroupError::Exists { .. } => libc::EEXIST,
        CgroupError::Make { source, .. } | CgroupError::Set { source, .. } => {
            source.raw_os_error().unwrap_or(libc::EIO)
        }
        CgroupError::Name { .. } | CgroupError::ReadBack { .. } | CgroupError::Helper { .. } => {
            libc::EINVAL
        }
    }
}

/// An error and what is behind it.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

/// Where kilnd's own log goes. What a request says is shown without what could forge a line.
fn log(line: &str) {
    let plain: String = line.chars().flat_map(char::escape_debug).take(1024).collect();
    let _nobody_reads = writeln!(io::stderr(), "{plain}");
}
