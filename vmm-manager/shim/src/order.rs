//! What a supervisor is told to run: one line of JSON on its stdin.
//!
//! Read strictly: both sides of it are installed together, and a field that this release does not
//! know is one whose meaning it would miss.

use std::{
    collections::HashMap,
    ops::RangeInclusive,
    os::fd::RawFd,
    path::{Component, Path, PathBuf},
};

use kiln_jail::Jail;
use serde::{Deserialize, Serialize};

use crate::MAJOR;

pub const MAX_ORDER_BYTES: usize = 1 << 20;
/// The numbers under which programs are given descriptors: above those that the supervisor and the
/// standard library use on the way to exec, below those that it keeps the originals under.
pub const DESCRIPTORS: RangeInclusive<RawFd> = 100..=163;
/// What a machine's network is made of, as the helper holds it and programs name it.
pub const GIVEN: [&str; 9] = [
    "tap",
    "dns-udp",
    "dns-tcp",
    "splice",
    "registry",
    "dns-udp6",
    "dns-tcp6",
    "splice6",
    "registry6",
];
/// Where programs make their sockets, below the machine's directory.
pub const RUN: &str = "run";
const MAX_KEPT_BYTES: usize = 1 << 20;
const MAX_PROGRAMS: usize = 8;
const MAX_PARTING_MILLIS: u64 = 5_000;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    /// Of the protocol that the starter speaks.
    pub major: u32,
    /// The home's id. Only a client of the same home is served.
    pub instance: String,
    /// The machine's, in records: the job's id.
    pub name: String,
    /// Which driver gave the order, and so understands the machine.
    pub driver: String,
    /// The VM's own directory: its files and all sockets are there.
    pub directory: PathBuf,
    /// Started in this order.
    pub programs: Vec<Program>,
    /// The name of the one that is the machine; of two that have ended, it ended first.
    pub main: String,
    /// Cgroup directories that each program joins before it runs.
    pub cgroups: Vec<PathBuf>,
    /// Where the kernel counts the processes that it killed for memory.
    pub oom_file: Option<PathBuf>,
    /// For the record.
    pub memory_limit_bytes: Option<u64>,
    /// Sockets that programs make; an earlier machine may have left some.
    pub sockets: Vec<String>,
    /// For the programs to be started, and the sockets between them to be there.
    pub start_limit_millis: u64,
    /// How long the supervisor of a machine that has ended waits to be told that it is done.
    pub linger_millis: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Program {
    /// In records: `qemu`, `bridge`.
    pub name: String,
    pub path: PathBuf,
    pub arguments: Vec<String>,
    pub stdout: Stdout,
    /// How much of the end of its stderr is kept.
    pub stderr_bytes: usize,
    pub descriptors: Vec<Descriptor>,
    /// It runs in the machine's network, which the helper gives, and not in an empty one.
    #[serde(default)]
    pub network: bool,
    /// How long it has to end by itself when the machine ends: it is told by SIGTERM, and killed
    /// when it is not done by then. With none, it is killed at once.
    #[serde(default)]
    pub parting_millis: u64,
    /// `None` for what needs none: a test's own program.
    pub jail: Option<Jail>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Stdout {
    Null,
    /// The machine's serial console: the last so many bytes are kept, and the program never waits.
    Serial {
        bytes: usize,
    },
}

/// Something that a program is born with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Descriptor {
    /// As its command line has it; one of [`DESCRIPTORS`].
    pub number: RawFd,
    pub source: Source,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Source {
    /// A unix socket in the directory that already listens.
    Listen { socket: String },
    /// A connection to the unix socket of a program that was started earlier, once it listens.
    Connect { socket: String },
    /// One end of a socket pair; the other one is with the program that names the same pair.
    Pair { name: String },
    /// One end of a socket pair whose other end is the supervisor's: it says `say` at once and
    /// keeps the end of what the program says, for the record of its exit. The machine is at its
    /// end when one of `ends` is among that: its programs are killed.
    Heard { say: String, keep_bytes: usize, ends: Vec<String> },
    /// A part of the machine's network, of one program alone: one of [`GIVEN`].
    Given { name: String },
}

/// What is wrong with an order.
#[derive(Debug, thiserror::Error)]
pub enum InvalidOrder {
    #[error("it is not understood")]
    Json(#[from] serde_json::Error),
    #[error("it is of protocol {theirs}, and this supervisor speaks {MAJOR}")]
    Version { theirs: u32 },
    #[error("the directory {0} is not absolute")]
    Directory(PathBuf),
    #[error("{0} is no program of it")]
    Main(String),
    #[error("{0} cannot be a name")]
    Name(String),
    #[error("{0} programs are too many, or too few")]
    Programs(usize),
    #[error("{0} stands for two things")]
    Twice(String),
    #[error("descriptor {0} is not one of {first} to {last}", first = DESCRIPTORS.start(), last = DESCRIPTORS.end())]
    Number(RawFd),
    #[error("the pair {0} does not have two ends")]
    Pair(String),
    #[error("{0} bytes are more than is ever kept")]
    Kept(usize),
    #[error("{0} milliseconds are longer than a machine's end may take")]
    Parting(u64),
    #[error("{0} is no part of a machine's network")]
    Given(String),
    #[error("{0} is to be in the machine's network and has no jail with a user of its own")]
    Network(String),
}

impl Order {
    pub fn parse(line: &[u8]) -> Result<Self, InvalidOrder> {
        #[derive(Deserialize)]
        struct Version {
            major: u32,
        }
        // First, so that an order of another release is called that.
        let Version { major: theirs } = serde_json::from_slice(line)?;
        if theirs != MAJOR {
            return Err(InvalidOrder::Version { theirs });
        }
        let order: Self = serde_json::from_slice(line)?;
        order.check()?;
        Ok(order)
    }

    pub fn check(&self) -> Result<(), InvalidOrder> {
        if !self.directory.is_absolute() {
            return Err(InvalidOrder::Directory(self.directory.clone()));
        }
        if self.programs.is_empty() || self.programs.len() > MAX_PROGRAMS {
            return Err(InvalidOrder::Programs(self.programs.len()));
        }
        if !self.programs.iter().any(|program| program.name == self.main) {
            return Err(InvalidOrder::Main(self.main.clone()));
        }
        for socket in &self.sockets {
            plain(socket)?;
        }
        let mut pairs: HashMap<&str, usize> = HashMap::new();
        let (mut names, mut taken) = (Vec::new(), Vec::new());
        let mut consoles = 0;
        for program in &self.programs {
            once(&mut names, &program.name)?;
            kept(program.stderr_bytes)?;
            if program.parting_millis > MAX_PARTING_MILLIS {
                return Err(InvalidOrder::Parting(program.parting_millis));
            }
            let has_user = program.jail.as_ref().is_some_and(|jail| jail.user.is_some());
            if program.network && !has_user {
                return Err(InvalidOrder::Network(program.name.clone()));
            }
            if let Stdout::Serial { bytes } = program.stdout {
                kept(bytes)?;
                consoles += 1;
            }
            let mut numbers = Vec::new();
            for Descriptor { number, source } in &program.descriptors {
                if !DESCRIPTORS.contains(number) {
                    return Err(InvalidOrder::Number(*number));
                }
                once(&mut numbers, &number.to_string())?;
                match source {
                    Source::Listen { socket } | Source::Connect { socket } => plain(socket)?,
                    Source::Pair { name } => *pairs.entry(name).or_default() += 1,
                    Source::Heard { say, keep_bytes, ends } => {
                        // It must fit into a socket that nobody reads yet.
                        kept(say.len() * 256)?;
                        kept(*keep_bytes)?;
                        if ends.iter().any(String::is_empty) {
                            return Err(InvalidOrder::Name(String::new()));
                        }
                    }
                    Source::Given { name } if GIVEN.contains(&name.as_str()) => {
                        once(&mut taken, name)?;
                    }
                    Source::Given { name } => return Err(InvalidOrder::Given(name.clone())),
                }
            }
        }
        if consoles > 1 {
            return Err(InvalidOrder::Twice("the serial console".to_owned()));
        }
        match pairs.into_iter().find(|(_, ends)| *ends != 2) {
            Some((name, _)) => Err(InvalidOrder::Pair(name.to_owned())),
            None => Ok(()),
        }
    }
}

/// A file of the directory, or of [`RUN`] in it, and nothing elsewhere.
fn plain(name: &str) -> Result<(), InvalidOrder> {
    let file = name.strip_prefix(RUN).and_then(|file| file.strip_prefix('/')).unwrap_or(name);
    let mut components = Path::new(file).components();
    match (components.next(), components.next()) {
        (Some(Component::Normal(only)), None) if only == file => Ok(()),
        _ => Err(InvalidOrder::Name(name.to_owned())),
    }
}

fn once(seen: &mut Vec<String>, name: &str) -> Result<(), InvalidOrder> {
    if seen.iter().any(|known| known == name) {
        return Err(InvalidOrder::Twice(name.to_owned()));
    }
    seen.push(name.to_owned());
    Ok(())
}

fn kept(bytes: usize) -> Result<(), InvalidOrder> {
    if bytes > MAX_KEPT_BYTES { Err(InvalidOrder::Kept(bytes)) } else { Ok(()) }
}

#[cfg(test)]
mod tests;
