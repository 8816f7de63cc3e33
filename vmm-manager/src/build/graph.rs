//! A build's steps as they stand: what its events come to. Pure, and bounded whatever a guest says.

mod budget;

use std::{collections::BTreeMap, sync::Arc};

use kiln_proto::agent::{MAX_BUILD_STEPS, MAX_BUILD_WARNINGS};
use tokio::sync::watch;

use self::budget::Budget;
use super::{
    event::{DoneEvent, ErrorEvent, Event, StepEvent, WarningEvent},
    record::BuildRecord,
};

/// A graph as it stands, for those who watch it.
pub type Live = watch::Receiver<Arc<BuildRecord>>;

#[derive(Debug, Default)]
pub struct Graph {
    /// By number. After a restart one may be missing that the log does not have any more, until the
    /// build tells all steps at its end.
    steps: BTreeMap<u32, StepEvent>,
    warnings: Vec<WarningEvent>,
    more_steps: u32,
    more_warnings: u32,
    error: Option<ErrorEvent>,
    done: Option<DoneEvent>,
    budget: Budget,
}

impl Graph {
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether the snapshot is another one now.
    pub fn apply(&mut self, event: &Event) -> bool {
        match event {
            Event::Step(step) => self.step(step),
            Event::Warning(warning) => self.warning(warning),
            Event::Summary(summary) => {
                let changed = self.more_steps != summary.more_steps;
                self.more_steps = summary.more_steps;
                changed
            }
            Event::Error(error) => {
                self.error.get_or_insert_with(|| error.clone());
                false
            }
            Event::Done(done) => {
                self.done.get_or_insert_with(|| done.clone());
                false
            }
            Event::Log(_) | Event::Progress(_) => false,
        }
    }

    fn step(&mut self, step: &StepEvent) -> bool {
        let is_new = !self.steps.contains_key(&step.number);
        // An event's numbers are within the bound: this holds for whoever made one by hand.
        if is_new && self.steps.len() >= MAX_BUILD_STEPS {
            return false;
        }
        if let Some(earlier) = self.steps.get(&step.number) {
            if earlier == step {
                return false;
            }
            self.budget.give_back(earlier);
        }
        let step = self.budget.take(step.clone());
        self.steps.insert(step.number, step);
        true
    }

    fn warning(&mut self, warning: &WarningEvent) -> bool {
        if self.warnings.contains(warning) {
            return false;
        }
        if self.warnings.len() < MAX_BUILD_WARNINGS && self.budget.takes_warning(warning) {
            self.warnings.push(warning.clone());
        } else {
            self.more_warnings = self.more_warnings.saturating_add(1);
        }
        true
    }

    /// The part of a build's record that is the guest's to tell.
    pub fn snapshot(&self) -> BuildRecord {
        BuildRecord {
            steps: self.steps.values().cloned().collect(),
            more_steps: self.more_steps,
            warnings: self.warnings.clone(),
            more_warnings: self.more_warnings,
            ..BuildRecord::default()
        }
    }

    /// Why it failed, if it has said so.
    pub fn error(&self) -> Option<&ErrorEvent> {
        self.error.as_ref()
    }

    /// What was exported, once that has been said.
    pub fn done(&self) -> Option<&DoneEvent> {
        self.done.as_ref()
    }

    /// As it is known under that number.
    pub fn step_at(&self, number: u32) -> Option<&StepEvent> {
        self.steps.get(&number)
    }

    pub fn steps(&self) -> impl Iterator<Item = &StepEvent> {
        self.steps.values()
    }
}

#[cfg(test)]
mod tests;
