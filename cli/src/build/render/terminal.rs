//! `--progress tty`: a window of lines that is drawn again and again, as buildx draws it.
//!
//! Each drawing goes up over the one before, whatever width the terminal has by then, and clears
//! what is below it. The last one has all steps.

mod lines;
mod screen;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use tokio::time::Instant;

use self::screen::{Screen, Size};
use crate::record::{BuildEvent, Step, StepProgress};

/// Lines of a running step's log.
const TAIL: usize = 6;
/// Of what one step does; more is not shown.
const MOST_PROGRESS: usize = 100;
/// Of what all of them do.
const MOST_PARTS: usize = 8 << 20;
/// Of a line that is kept; a terminal shows less.
const WIDEST: usize = 512;

#[derive(Debug)]
pub(in crate::build) struct Terminal {
    begun: Instant,
    steps: BTreeMap<u32, Line>,
    /// Of `MOST_PARTS`.
    parts: usize,
    doing: Option<&'static str>,
    screen: Screen,
}

/// One step, as it is shown.
#[derive(Debug, Default)]
struct Line {
    step: Step,
    /// By our own clock.
    since: Option<Instant>,
    progress: Vec<StepProgress>,
    tail: VecDeque<String>,
    half: Vec<u8>,
}

impl Terminal {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            begun: now,
            steps: BTreeMap::new(),
            parts: 0,
            doing: None,
            screen: Screen::default(),
        }
    }

    pub(super) fn doing(&mut self, doing: Option<&'static str>) {
        self.doing = doing;
    }

    pub(super) fn event(&mut self, event: &BuildEvent, now: Instant) {
        match event {
            BuildEvent::Step(step) => {
                let line = self.steps.entry(step.number).or_default();
                if step.started_at.is_some() && step.completed_at.is_none() {
                    line.since.get_or_insert(now);
                } else {
                    line.since = None;
                }
                // Nothing shows the inputs, of which each of thousands has thousands.
                line.step = Step { inputs: Vec::new(), digest: String::new(), ..step.clone() };
                if step.completed_at.is_some() {
                    (line.tail, line.half) = (VecDeque::new(), Vec::new());
                }
            }
            BuildEvent::Progress(progress) => {
                let line = self.steps.entry(progress.step).or_default();
                let cost = progress.id.len() + size_of::<StepProgress>();
                let has_room =
                    line.progress.len() < MOST_PROGRESS && self.parts + cost <= MOST_PARTS;
                match line.progress.iter_mut().find(|known| known.id == progress.id) {
                    Some(known) => known.clone_from(progress),
                    None if !has_room => {}
                    None => {
                        self.parts += cost;
                        line.progress.push(progress.clone());
                    }
                }
            }
            BuildEvent::Log(log) => {
                self.steps.entry(log.step).or_default().log(&log.data);
            }
            // Told at the end.
            BuildEvent::Warning(_) | BuildEvent::Fault(_) | BuildEvent::Gap { .. } => {}
        }
    }

    pub(super) fn draw(&mut self, now: Instant) -> Vec<u8> {
        self.draw_on(Size::of_terminal(), now)
    }

    fn draw_on(&mut self, size: Size, now: Instant) -> Vec<u8> {
        let mut lines = vec![self.heading("", now)];
        lines.extend(lines::within(&self.steps, size.rows.saturating_sub(2).max(1), now));
        self.screen.draw(lines, size)
    }

    pub(super) fn finish(&mut self, is_error: bool, now: Instant) -> Vec<u8> {
        self.finish_on(Size::of_terminal(), is_error, now)
    }

    fn finish_on(&mut self, size: Size, is_error: bool, now: Instant) -> Vec<u8> {
        self.doing = None;
        let end = if is_error { "ERROR" } else { "FINISHED" };
        let mut lines = vec![self.heading(end, now)];
        lines.extend(lines::all(&self.steps, now));
        self.screen.last(lines, size)
    }

    fn heading(&self, end: &str, now: Instant) -> screen::Row {
        let done = self.steps.values().filter(|line| line.step.completed_at.is_some()).count();
        let took = now.duration_since(self.begun).as_secs_f64();
        let mut text = format!("[+] Building {took:.1}s ({done}/{})", self.steps.len());
        for word in [end, self.doing.unwrap_or_default()] {
            if !word.is_empty() {
                text.push(' ');
                text.push_str(word);
            }
        }
        screen::Row::plain(text)
    }
}

impl Line {
    /// Whole lines are kept, the last few of them.
    fn log(&mut self, data: &[u8]) {
        for part in data.split_inclusive(|byte| *byte == b'\n') {
            let room = WIDEST.saturating_sub(self.half.len());
            self.half.extend_from_slice(&part[..part.len().min(room)]);
            if part.ends_with(b"\n") {
                let text = String::from_utf8_lossy(&self.half);
                let text = lines::without_escapes(text.trim_end());
                self.half.clear();
                // A line that was drawn over itself shows its last state.
                let last = text.rsplit('\r').next().unwrap_or_default();
                self.tail.push_back(last.to_owned());
                if self.tail.len() > TAIL {
                    self.tail.pop_front();
                }
            }
        }
    }

    fn took(&self, now: Instant) -> Duration {
        match (self.step.started_at, self.step.completed_at, self.since) {
            (Some(started_at), Some(completed_at), _) => completed_at.since(started_at),
            (_, None, Some(since)) => now.duration_since(since),
            _ => Duration::ZERO,
        }
    }
}
