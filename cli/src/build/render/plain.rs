//! `--progress plain`: lines, each with the number of its step, as buildx writes them.
//!
//! One step has the floor: what others say meanwhile waits until it is done, or until its turn is
//! over because it has said nothing new for a while.

mod step;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};

use tokio::time::Instant;

use self::step::Shown;
use crate::{
    display::{printable, size},
    record::BuildEvent,
};

/// Of one step, while another has the floor.
const MOST_WAITING: usize = 1 << 20;
/// Of all steps, with halves of lines: whoever has waited longest does not wait then.
const MOST_HELD: usize = 16 << 20;
/// Of what steps do, all together: how far each of it had come when it was last said.
const MOST_PARTS: usize = 8 << 20;

#[derive(Debug, Default)]
pub(crate) struct Plain {
    steps: BTreeMap<u32, Shown>,
    /// Whose lines are being written.
    floor: Option<u32>,
    /// Who has lines that wait, in order.
    waiting: VecDeque<u32>,
    /// By all steps.
    held: usize,
    /// Of `MOST_PARTS`.
    parts: usize,
    has_begun: bool,
    out: Vec<u8>,
}

impl Plain {
    pub(crate) fn event(&mut self, event: &BuildEvent, now: Instant) -> Vec<u8> {
        let number = match event {
            BuildEvent::Step(step) => {
                if !self.change(step.number, |shown| shown.step(step)) {
                    return Vec::new();
                }
                step.number
            }
            BuildEvent::Log(log) => {
                self.change(log.step, |step| step.log(log));
                log.step
            }
            BuildEvent::Progress(progress) => {
                let room = MOST_PARTS - self.parts;
                self.parts += self.change(progress.step, |step| step.progress(progress, room, now));
                progress.step
            }
            BuildEvent::Warning(warning) => {
                let words = format!("WARN: {}", printable(&warning.text));
                self.change(warning.step, |step| step.line(&words));
                warning.step
            }
            // Told at the end.
            BuildEvent::Fault(_) => return Vec::new(),
            BuildEvent::Gap { dropped_bytes } => {
                let words = format!(
                    "here {} of the log are missing: it had reached its quota",
                    size(*dropped_bytes),
                );
                self.change(0, |step| step.line(&words));
                0
            }
        };
        self.say(number);
        self.relieve();
        std::mem::take(&mut self.out)
    }

    /// The next one's turn, if anybody waits.
    pub(crate) fn turn(&mut self) -> Vec<u8> {
        if let (Some(floor), Some(next)) = (self.floor, self.waiting.pop_front()) {
            self.interrupt(floor, next);
            self.go_on();
        }
        std::mem::take(&mut self.out)
    }

    /// All that waits, half lines too.
    pub(crate) fn finish(&mut self) -> Vec<u8> {
        let numbers: Vec<_> = self.steps.keys().copied().collect();
        for number in numbers {
            let is_open = self.change(number, Shown::close);
            if is_open && self.floor != Some(number) && !self.waiting.contains(&number) {
                self.waiting.push_back(number);
            }
        }
        if let Some(floor) = self.floor {
            self.write(floor);
        }
        while let Some(next) = self.waiting.pop_front() {
            self.give(next);
        }
        std::mem::take(&mut self.out)
    }

    fn step(&mut self, number: u32) -> &mut Shown {
        self.steps.entry(number).or_insert_with(|| Shown::new(number))
    }

    fn change<T>(&mut self, number: u32, change: impl FnOnce(&mut Shown) -> T) -> T {
        let step = self.step(number);
        let before = step.held_bytes();
        let changed = change(step);
        let after = step.held_bytes();
        self.held = self.held - before + after;
        changed
    }

    fn say(&mut self, number: u32) {
        if !self.step(number).has_news() {
            return;
        }
        match self.floor {
            None => {
                self.waiting.retain(|waiting| *waiting != number);
                self.give(number);
            }
            Some(floor) if floor == number => self.write(number),
            Some(floor) => {
                if !self.waiting.contains(&number) {
                    self.waiting.push_back(number);
                }
                // Who says so much does not wait: it would all be kept here.
                if self.step(number).held_bytes() > MOST_WAITING {
                    self.waiting.retain(|waiting| *waiting != number);
                    self.interrupt(floor, number);
                }
            }
        }
        self.go_on();
    }

    /// Of too much that is held.
    fn relieve(&mut self) {
        while self.held > MOST_HELD
            && let Some(next) = self.waiting.pop_front().or_else(|| self.most_held())
        {
            self.change(next, Shown::close);
            match self.floor {
                Some(floor) if floor != next => self.interrupt(floor, next),
                Some(_) => self.write(next),
                None => self.give(next),
            }
        }
        self.go_on();
    }

    /// By whom, where nobody waits: half of a line.
    fn most_held(&self) -> Option<u32> {
        let held = self.steps.iter().filter(|(_, step)| step.held_bytes() > 0);
        held.max_by_key(|(_, step)| step.held_bytes()).map(|(number, _)| *number)
    }

    fn interrupt(&mut self, floor: u32, next: u32) {
        self.out.extend(format!("#{floor} ...\n").into_bytes());
        self.give(next);
    }

    /// To those who wait, while nobody has the floor.
    fn go_on(&mut self) {
        while self.floor.is_none()
            && let Some(next) = self.waiting.pop_front()
        {
            self.give(next);
        }
    }

    fn give(&mut self, number: u32) {
        if self.has_begun {
            self.out.push(b'\n');
        }
        self.has_begun = true;
        let heading = self.step(number).heading();
        self.out.extend(heading.into_bytes());
        self.floor = Some(number);
        self.write(number);
    }

    fn write(&mut self, number: u32) {
        let (lines, is_done) = self.change(number, Shown::take);
        self.out.extend(lines);
        if is_done {
            self.floor = None;
        }
    }
}
