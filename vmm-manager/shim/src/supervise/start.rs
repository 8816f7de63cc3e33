//! From an order to a machine whose programs all run.

use std::{
    collections::HashMap,
    fs, io,
    os::fd::{AsFd, OwnedFd},
    path::Path,
    thread::sleep,
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fs::{FlockOperation, Mode, OFlags, flock, open},
    io::{Errno, write},
    net::{
        AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, connect, listen, socket_with,
        socketpair,
    },
};

use super::{
    child::{Line, Own, Running},
    descriptors::high,
    failed,
    given::{Given, NAMESPACE},
    leash::Leash,
    machine::{Machine, Started},
    standing::Standing,
};
use crate::{
    EXIT_FILE, LOCK_FILE, MAJOR, MINOR, Order, ProcessIdentity, Program, RECORD_FILE, SOCKET,
    ShimRecord, Source, StartFailure, boot_id, files::clear,
};

/// For an earlier supervisor of the directory, which was told to go, to be gone.
const LOCK_LIMIT: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(1);
const BACKLOG: i32 = 16;
/// The directory of the machine, in which this process is.
const HERE: &str = ".";

/// Fails with nothing left running, and no record of anything.
pub(super) fn start(
    order: &Order,
    standing: Standing,
    given: Given,
    leash: &Leash,
) -> Result<Started, StartFailure> {
    let lock = lock()?;
    for name in [RECORD_FILE, EXIT_FILE, SOCKET].into_iter().chain(sockets(order)) {
        clear(Path::new(name))
            .map_err(|error| failed(format!("what is left at {name}"), &error))?;
    }
    let started = Start::new(order, standing, given)?.run(order, leash, lock);
    if started.is_err() {
        let _adoptable_no_more = fs::remove_file(RECORD_FILE);
    }
    started
}

fn not_given(name: &str) -> StartFailure {
    StartFailure::NotGiven { name: name.to_owned() }
}

/// One supervisor lives in a directory; the kernel lets go of the lock with the process.
fn lock() -> Result<OwnedFd, StartFailure> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let io = |error: Errno| failed(LOCK_FILE, &error.into());
    if fs::symlink_metadata(LOCK_FILE).is_ok_and(|metadata| !metadata.is_file()) {
        clear(Path::new(LOCK_FILE)).map_err(|error| failed(LOCK_FILE, &error))?;
    }
    let file = open(LOCK_FILE, flags, Mode::RUSR | Mode::WUSR).map_err(io)?;
    let deadline = Instant::now() + LOCK_LIMIT;
    loop {
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(file),
            Err(Errno::WOULDBLOCK) if Instant::now() < deadline => sleep(PAUSE),
            Err(Errno::WOULDBLOCK) => return Err(StartFailure::Taken),
            Err(error) => return Err(io(error)),
        }
    }
}

/// Every name at which something will listen.
fn sockets(order: &Order) -> impl Iterator<Item = &str> {
    let descriptors = order.programs.iter().flat_map(|program| &program.descriptors);
    let listening = descriptors.filter_map(|descriptor| match &descriptor.source {
        Source::Listen { socket } => Some(socket.as_str()),
        _ => None,
    });
    order.sockets.iter().map(String::as_str).chain(listening)
}

/// A machine half-way: dropping it kills what runs.
struct Start {
    record: ShimRecord,
    listener: OwnedFd,
    children: Vec<Running>,
    /// Second ends of pairs whose first end has been given away.
    pairs: HashMap<String, OwnedFd>,
    deadline: Instant,
    standing: Standing,
    /// What of the machine's network has not been given away; closed when all programs run.
    given: Given,
}

impl Start {
    fn new(order: &Order, standing: Standing, given: Given) -> Result<Self, StartFailure> {
        let own = |error: io::Error| failed("the supervisor's own identity", &error);
        let record = ShimRecord {
            major: MAJOR,
            minor: MINOR,
            boot_id: boot_id().map_err(own)?,
            instance: order.instance.clone(),
            name: order.name.clone(),
            driver: order.driver.clone(),
            process: ProcessIdentity::own().map_err(own)?,
            children: Vec::new(),
            cgroups: order.cgroups.clone(),
        };
        let start = Self {
            record,
            listener: listening(SOCKET)?,
            children: Vec::new(),
            pairs: HashMap::new(),
            deadline: Instant::now() + Duration::from_millis(order.start_limit_millis),
            standing,
            given,
        };
        // Before the first child: whoever finds one that runs finds its supervisor.
        start.write_down()?;
        Ok(start)
    }

    fn run(mut self, order: &Order, leash: &Leash, lock: OwnedFd) -> Result<Started, StartFailure> {
        for program in &order.programs {
            self.add(program, order, leash)?;
        }
        let settled = self.standing.settle();
        settled.map_err(|error| failed("the supervisor's own rights", &error))?;
        let Self { record, listener, children, .. } = self;
        Ok(Started { machine: Machine::new(order, record, children), listener, lock })
    }

    fn write_down(&self) -> Result<(), StartFailure> {
        self.record.write(Path::new(HERE)).map_err(|error| failed(RECORD_FILE, &error))
    }

    fn add(&mut self, program: &Program, order: &Order, leash: &Leash) -> Result<(), StartFailure> {
        let io = |error: io::Error| failed("a socket", &error);
        let mut descriptors = Vec::new();
        let mut heard = None;
        for descriptor in &program.descriptors {
            let end = match &descriptor.source {
                Source::Listen { socket } => listening(socket)?,
                Source::Connect { socket } => self.connected(socket, leash)?,
                Source::Pair { name } => match self.pairs.remove(name) {
                    Some(end) => end,
                    None => {
                        let (first, second) = pair().map_err(io)?;
                        self.pairs.insert(name.clone(), second);
                        first
                    }
                },
                Source::Heard { say, keep_bytes, ends } => {
                    let (ours, theirs) = pair().map_err(io)?;
                    write(&ours, say.as_bytes()).map_err(|error| io(error.into()))?;
                    heard = Some(Line { end: ours, keep_bytes: *keep_bytes, ends: ends.clone() });
                    theirs
                }
                Source::Given { name } => self.given.take(name).ok_or_else(|| not_given(name))?,
            };
            descriptors.push((end, descriptor.number));
        }
        let network = match (program.network, self.given.namespace()) {
            (false, _) => None,
            (true, Some(namespace)) => Some(namespace),
            (true, None) => return Err(not_given(NAMESPACE)),
        };
        let own = Own { descriptors, network, heard };
        let spawn = || Running::spawn(program, order, own);
        let child = self
            .standing
            .starting(program.jail.is_some(), spawn)
            .map_err(|error| failed("the supervisor's own rights", &error))??;
        self.record.children.push(child.identity.clone());
        self.children.push(child);
        self.write_down()
    }

    /// Waits for a program that was started to listen.
    fn connected(&mut self, socket: &str, leash: &Leash) -> Result<OwnedFd, StartFailure> {
        let address = address(socket)?;
        loop {
            let end = stream().map_err(|error| failed(socket, &error))?;
            match connect(&end, &address) {
                Ok(()) => return Ok(end),
                // Not bound, or bound and not yet listening.
                Err(Errno::NOENT | Errno::CONNREFUSED | Errno::INTR | Errno::AGAIN) => {}
                Err(error) => return Err(failed(socket, &error.into())),
            }
            if leash.is_slack() || Instant::now() > self.deadline {
                let stderr = self.said();
                return Err(StartFailure::Silent { socket: socket.to_owned(), stderr });
            }
            self.pause();
            if let Some(ended) = self.children.iter().find_map(Running::exit) {
                return Err(StartFailure::Ended {
                    program: ended.name,
                    socket: socket.to_owned(),
                    end: ended.end,
                    stderr: ended.stderr,
                });
            }
        }
    }

    /// A moment, or until a child has something to say.
    fn pause(&mut self) {
        let mut events: Vec<_> = self
            .children
            .iter()
            .flat_map(Running::descriptors)
            .map(|descriptor| PollFd::from_borrowed_fd(descriptor, PollFlags::IN))
            .collect();
        let pause = Timespec { tv_sec: 0, tv_nsec: PAUSE.subsec_nanos().into() };
        if poll(&mut events, Some(&pause)).is_ok_and(|ready| ready > 0) {
            let mut buffer = [0; 4096];
            for child in &mut self.children {
                child.drain(&mut buffer);
                child.reap(&mut buffer);
            }
        }
    }

    fn said(&self) -> String {
        self.children.iter().map(Running::stderr).collect::<Vec<_>>().join("\n").trim().to_owned()
    }
}

fn stream() -> io::Result<OwnedFd> {
    let end = socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    high(end)
}

fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    let (one, other) =
        socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    Ok((high(one)?, high(other)?))
}

fn address(socket: &str) -> Result<SocketAddrUnix, StartFailure> {
    SocketAddrUnix::new(socket).map_err(|error| failed(socket, &error.into()))
}

fn listening(socket: &str) -> Result<OwnedFd, StartFailure> {
    let io = |error: io::Error| failed(socket, &error);
    let end = stream().map_err(io)?;
    bind(&end, &address(socket)?).map_err(|error| io(error.into()))?;
    listen(end.as_fd(), BACKLOG).map_err(|error| io(error.into()))?;
    Ok(end)
}
