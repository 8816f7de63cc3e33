//! The machine from its last program's start to the record of its end.
//!
//! ```text
//!            a program ends, or somebody wants it         all reaped
//! Running ────────────────────────────────────▶ Ending ──────────────▶ Ended(ExitRecord)
//! ```
//!
//! The others are killed; those that may end by themselves are told to, and killed when they have
//! not in their time.

use std::{
    fs,
    os::fd::{BorrowedFd, OwnedFd},
    path::{Path, PathBuf},
    time::Instant,
};

use super::child::Running;
use crate::{Child, ExitRecord, MAJOR, MINOR, Order, ProcessIdentity, Serial, ShimRecord, Status};

/// All that a supervisor has when its programs run.
#[derive(Debug)]
pub(super) struct Started {
    pub(super) machine: Machine,
    pub(super) listener: OwnedFd,
    /// Held for as long as the process lives.
    pub(super) lock: OwnedFd,
}

impl Started {
    pub(super) fn process(&self) -> ProcessIdentity {
        self.machine.record.process
    }

    pub(super) fn children(&self) -> Vec<Child> {
        self.machine.record.children.clone()
    }
}

#[derive(Debug)]
pub(super) struct Machine {
    pub(super) record: ShimRecord,
    children: Vec<Running>,
    main: String,
    oom_file: Option<PathBuf>,
    memory_limit_bytes: Option<u64>,
    /// Somebody has said that the end is meant.
    stopping: bool,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    Running,
    Ending {
        /// Whether it was meant, when it began.
        meant: bool,
        /// The program that began it; `None` when we did.
        first: Option<String>,
        /// When whoever has not ended by itself is killed; `None` when all have been.
        until: Option<Instant>,
    },
    Ended(ExitRecord),
}

impl Machine {
    pub(super) fn new(order: &Order, record: ShimRecord, children: Vec<Running>) -> Self {
        Self {
            record,
            children,
            main: order.main.clone(),
            oom_file: order.oom_file.clone(),
            memory_limit_bytes: order.memory_limit_bytes,
            stopping: false,
            stage: Stage::Running,
        }
    }

    pub(super) fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.children.iter().flat_map(Running::descriptors)
    }

    /// Takes in what the programs say, and what becomes of them.
    pub(super) fn attend(&mut self, buffer: &mut [u8]) {
        if matches!(self.stage, Stage::Ended(_)) {
            return;
        }
        for child in self.children.iter_mut().filter(|child| !child.has_ended()) {
            child.drain(buffer);
            child.reap(buffer);
        }
        if matches!(self.stage, Stage::Running)
            && let Some(first) = self.first_ended().or_else(|| self.first_to_say_so())
        {
            self.end(Some(first));
        }
        if let Stage::Ending { until: until @ Some(_), .. } = &mut self.stage
            && until.is_none_or(|until| Instant::now() >= until)
        {
            *until = None;
            self.living().for_each(Running::kill);
        }
        if let Stage::Ending { meant, first, until: _ } = &self.stage
            && self.children.iter().all(Running::has_ended)
        {
            let record = self.exit(*meant, first.clone());
            self.stage = Stage::Ended(record);
        }
    }

    /// Of those that have ended: the main program, if it is among them.
    fn first_ended(&self) -> Option<String> {
        let mut ended = self.children.iter().filter(|child| child.has_ended());
        let first = ended.next()?.identity.name.clone();
        let main = ended.any(|child| child.identity.name == self.main);
        Some(if main { self.main.clone() } else { first })
    }

    /// The one that says that the machine is at its end.
    fn first_to_say_so(&self) -> Option<String> {
        let first = self.children.iter().find(|child| child.has_said_end())?;
        Some(first.identity.name.clone())
    }

    fn end(&mut self, first: Option<String>) {
        let until = self.living().filter_map(Running::part).max();
        self.stage = Stage::Ending { meant: self.stopping, first, until };
    }

    fn living(&self) -> impl Iterator<Item = &Running> {
        self.children.iter().filter(|child| !child.has_ended())
    }

    /// When there is something to do though nothing ends.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match &self.stage {
            Stage::Ending { until, .. } => *until,
            Stage::Running | Stage::Ended(_) => None,
        }
    }

    /// The next of its ends is meant.
    pub(super) fn mark_stopping(&mut self) {
        self.stopping = true;
    }

    /// Ends it, unless it has ended.
    pub(super) fn kill(&mut self) {
        if matches!(self.stage, Stage::Running) {
            self.stopping = true;
            self.end(None);
        }
    }

    pub(super) fn ended(&self) -> Option<&ExitRecord> {
        match &self.stage {
            Stage::Ended(record) => Some(record),
            Stage::Running | Stage::Ending { .. } => None,
        }
    }

    pub(super) fn status(&self) -> Status {
        Status {
            children: self.record.children.clone(),
            stopping: self.stopping,
            ended: self.ended().cloned(),
        }
    }

    pub(super) fn serial(&self) -> Serial {
        let console = self.children.iter().find_map(Running::console);
        console
            .map_or_else(|| Serial::new(&[], 0), |ring| Serial::new(&ring.bytes(), ring.dropped()))
    }

    fn exit(&self, stopping: bool, first: Option<String>) -> ExitRecord {
        ExitRecord {
            major: MAJOR,
            minor: MINOR,
            process: self.record.process,
            stopping,
            first: first.unwrap_or_else(|| self.main.clone()),
            children: self.children.iter().filter_map(Running::exit).collect(),
            oom_kills: self.oom_file.as_deref().and_then(oom_kills).unwrap_or(0),
            memory_limit_bytes: self.memory_limit_bytes,
        }
    }
}

/// Both versions of cgroups have a line `oom_kill N` in their file.
fn oom_kills(file: &Path) -> Option<u64> {
    let text = fs::read_to_string(file).ok()?;
    text.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok())
}
