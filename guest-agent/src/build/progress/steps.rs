//! The steps of a build, numbered as they are heard of, and told when they change.

mod budget;

use std::{
    collections::{HashMap, HashSet, hash_map::DefaultHasher},
    hash::{Hash as _, Hasher as _},
};

use kiln_buildkit::Vertex;
use kiln_proto::agent::{
    MAX_BUILD_STEPS,
    v1::{BuildStep, BuildSummary, build_event::Event},
};

use self::budget::Budget;
use super::{
    frames::{self, Frames},
    mask::Secrets,
    time::nanos,
};

/// Of those over the bound, so many are told apart; what is beyond is not counted.
const MOST_COUNTED: usize = 1 << 16;
/// Of SHA-512.
const MAX_DIGEST_BYTES: usize = 7 + 128;

#[derive(Debug, Default)]
pub(super) struct Steps {
    /// As they were told last, in the order of their numbers.
    told: Vec<BuildStep>,
    numbers: HashMap<String, u32>,
    /// Digests of those over the bound, hashed.
    more: HashSet<u64>,
    budget: Budget,
}

impl Steps {
    /// Of the step with that digest, from now on if there was none. `None` over the bound, and for
    /// what is no digest.
    pub(super) fn number(&mut self, digest: &str) -> Option<u32> {
        if !is_digest(digest) {
            return None;
        }
        if let Some(number) = self.numbers.get(digest) {
            return Some(*number);
        }
        if self.told.len() >= MAX_BUILD_STEPS {
            if self.more.len() < MOST_COUNTED {
                let mut hasher = DefaultHasher::new();
                digest.hash(&mut hasher);
                self.more.insert(hasher.finish());
            }
            return None;
        }
        let number = u32::try_from(self.told.len() + 1).unwrap_or(u32::MAX);
        self.numbers.insert(digest.to_owned(), number);
        self.told.push(BuildStep { number, ..BuildStep::default() });
        Some(number)
    }

    /// Tells of a step if it is another than it was.
    pub(super) fn update(&mut self, vertex: &Vertex, secrets: &Secrets, frames: &mut Frames) {
        let Some(number) = self.number(&vertex.digest) else { return };
        let inputs = vertex.inputs.iter();
        let mut inputs: Vec<u32> =
            inputs.filter_map(|input| self.numbers.get(input).copied()).collect();
        inputs.dedup();
        inputs.truncate(MAX_BUILD_STEPS);
        let step = BuildStep {
            number,
            digest: vertex.digest.clone(),
            name: frames::name(secrets.text(&vertex.name)),
            inputs,
            started_unix_nanos: nanos(vertex.started),
            completed_unix_nanos: nanos(vertex.completed),
            cached: vertex.cached,
            error: frames::text(secrets.text(&vertex.error)),
        };
        let told = &mut self.told[number as usize - 1];
        self.budget.give_back(told);
        let step = self.budget.take(step);
        if *told != step {
            frames.add(Event::Step(step.clone()));
            *told = step;
        }
    }

    /// How many there are, and then all of them.
    pub(super) fn tell_all(&self, frames: &mut Frames) {
        frames.add(Event::Summary(BuildSummary {
            steps: u32::try_from(self.told.len()).unwrap_or(u32::MAX),
            more_steps: u32::try_from(self.more.len()).unwrap_or(u32::MAX),
        }));
        for step in &self.told {
            frames.add(Event::Step(step.clone()));
        }
    }

    /// The one that the build failed by. Where the engine does not name it, the one whose error stands
    /// in the build's, if there is one: of a base image that is not to be had, for one.
    pub(super) fn failed(&self, digest: &str, message: &str) -> u32 {
        if let Some(number) = self.numbers.get(digest) {
            return *number;
        }
        let mut failed = self.told.iter().filter(|step| !step.error.is_empty());
        let named = failed.find(|step| message.contains(step.error.trim_end_matches('…')));
        named.map_or(0, |step| step.number)
    }
}

/// `ALGORITHM:HEX`: it is told as it is, so no text may stand in it.
fn is_digest(text: &str) -> bool {
    let Some((algorithm, hash)) = text.split_once(':') else { return false };
    let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    text.len() <= MAX_DIGEST_BYTES
        && (1..=10).contains(&algorithm.len())
        && algorithm.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        && !hash.is_empty()
        && hash.bytes().all(hex)
}
