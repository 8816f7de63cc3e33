//! What one step has to say.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    time::Duration,
};

use tokio::time::Instant;

use crate::{
    build::render::bytes::of_total,
    display::printable,
    record::{Step, StepLog, StepProgress, Time},
};

/// Between two words on how far something has come.
const PAUSE: Duration = Duration::from_secs(5);
/// What a part costs besides its name.
const PART_BYTES: usize = size_of::<String>() + size_of::<Part>();
/// A line that has no end by then is cut.
const LONGEST: usize = 64 << 10;

#[derive(Debug)]
pub(super) struct Shown {
    number: u32,
    name: String,
    /// Of what was last told: there are thousands of steps, with thousands of inputs each.
    told: Option<u64>,
    hasher: RandomState,
    started_at: Option<Time>,
    lines: Vec<u8>,
    /// Of a line that goes on.
    half: Vec<u8>,
    has_news: bool,
    is_done: bool,
    parts: HashMap<String, Part>,
}

/// Of what a step does, as it was last said.
#[derive(Debug)]
struct Part {
    at: Instant,
    current: u64,
    total: u64,
    started_at: Option<Time>,
    completed_at: Option<Time>,
}

impl Shown {
    pub(super) fn new(number: u32) -> Self {
        Self {
            number,
            name: String::new(),
            told: None,
            hasher: RandomState::new(),
            started_at: None,
            lines: Vec::new(),
            half: Vec::new(),
            has_news: false,
            is_done: false,
            parts: HashMap::new(),
        }
    }

    /// Whether there is anything new to it.
    pub(super) fn step(&mut self, step: &Step) -> bool {
        let told = Some(self.hasher.hash_one(step));
        if self.told == told {
            return false;
        }
        self.told = told;
        self.name.clone_from(&step.name);
        let Some(started_at) = step.started_at.or(step.completed_at) else { return false };
        // Times of log lines are from the first beginning.
        self.started_at.get_or_insert(started_at);
        self.has_news = true;
        self.is_done = false;
        if let Some(completed_at) = step.completed_at {
            self.end_line();
            let end = if step.error.ends_with("context canceled") {
                "CANCELED".to_owned()
            } else if !step.error.is_empty() {
                format!("ERROR: {}", printable(&step.error))
            } else if step.cached {
                "CACHED".to_owned()
            } else {
                format!("DONE {:.1}s", completed_at.since(started_at).as_secs_f64())
            };
            self.line(&end);
            self.is_done = true;
        }
        true
    }

    pub(super) fn log(&mut self, StepLog { step: _, stream: _, time, data }: &StepLog) {
        let since = match (time, self.started_at) {
            (Some(time), Some(started_at)) => time.since(started_at),
            _ => Duration::ZERO,
        };
        for part in data.split_inclusive(|byte| *byte == b'\n') {
            if self.half.is_empty() {
                let head = format!("#{} {:.3} ", self.number, since.as_secs_f64());
                self.half.extend(head.into_bytes());
            }
            self.half.extend_from_slice(part);
            if part.ends_with(b"\n") {
                self.lines.append(&mut self.half);
                self.half = Vec::new();
                self.has_news = true;
            } else if self.half.len() > LONGEST {
                self.end_line();
            }
        }
    }

    /// Keeps a part within `room`, and says what that took.
    pub(super) fn progress(&mut self, progress: &StepProgress, room: usize, now: Instant) -> usize {
        let part = Part::of(progress, now);
        let known = self.parts.get_mut(&progress.id);
        let is_due = known.as_ref().is_none_or(|known| known.is_followed_by(&part));
        if !is_due {
            return 0;
        }
        let cost = match known {
            Some(known) => {
                *known = part;
                0
            }
            // Who has more says each of them whenever it comes.
            None if progress.id.len() + PART_BYTES > room => 0,
            None => {
                self.parts.insert(progress.id.clone(), part);
                progress.id.len() + PART_BYTES
            }
        };
        let took = match (progress.started_at, progress.completed_at) {
            (Some(started_at), Some(completed_at)) => completed_at.since(started_at),
            _ => Duration::ZERO,
        };
        let took = match took.as_secs_f64() {
            took if took > 0.01 => format!(" {took:.1}s"),
            _ => String::new(),
        };
        let done = if progress.completed_at.is_some() { " done" } else { "" };
        let of = of_total(progress.current, progress.total);
        self.line(&format!("{}{of}{took}{done}", printable(&progress.id)));
        cost
    }

    pub(super) fn line(&mut self, text: &str) {
        for line in text.lines() {
            self.lines.extend(format!("#{} {line}\n", self.number).into_bytes());
        }
        self.has_news = true;
    }

    /// Whether anything was left to say.
    pub(super) fn close(&mut self) -> bool {
        self.end_line();
        !self.lines.is_empty()
    }

    /// Lines that wait, and half of one.
    pub(super) fn held_bytes(&self) -> usize {
        self.lines.len() + self.half.len()
    }

    pub(super) fn has_news(&self) -> bool {
        self.has_news
    }

    pub(super) fn heading(&self) -> String {
        let Self { number, name, .. } = self;
        let name = printable(name).replace('\n', " ");
        if name.is_empty() { String::new() } else { format!("#{number} {name}\n") }
    }

    /// Its lines, and whether it has nothing more to say for now.
    pub(super) fn take(&mut self) -> (Vec<u8>, bool) {
        self.has_news = false;
        (std::mem::take(&mut self.lines), self.is_done)
    }

    fn end_line(&mut self) {
        if !self.half.is_empty() {
            self.half.push(b'\n');
            self.lines.append(&mut self.half);
            // What is empty keeps no room, of which thousands have theirs.
            self.half = Vec::new();
        }
    }
}

impl Part {
    fn of(progress: &StepProgress, at: Instant) -> Self {
        let StepProgress { step: _, id: _, current, total, started_at, completed_at } = *progress;
        Self { at, current, total, started_at, completed_at }
    }

    /// Whether that is worth a line.
    fn is_followed_by(&self, next: &Self) -> bool {
        let Self { at, current, total, started_at, completed_at } = self;
        let is_news = (*current, *total, *started_at, *completed_at)
            != (next.current, next.total, next.started_at, next.completed_at);
        let is_end = next.completed_at.is_some() && completed_at.is_none();
        is_news && (is_end || next.at.duration_since(*at) >= PAUSE)
    }
}

#[cfg(test)]
impl Shown {
    /// That its lines take of the memory.
    pub(super) fn room(&self) -> usize {
        self.lines.capacity() + self.half.capacity()
    }

    pub(super) fn parts(&self) -> usize {
        self.parts.len()
    }
}
