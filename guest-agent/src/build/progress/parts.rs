//! How far the parts of steps are: layers that are pulled, what is sent.

use std::{
    collections::{HashMap, hash_map::DefaultHasher},
    hash::{Hash as _, Hasher as _},
};

use kiln_buildkit::VertexStatus;
use kiln_proto::agent::v1::{BuildProgress, build_event::Event};

use super::{
    frames::{self, Frames},
    mask::Secrets,
    time::nanos,
};

/// Between two tellings of a part that only grows, on the engine's clock.
const PACE_NANOS: u64 = 200_000_000;
/// Of which it is known what was told of them.
const MOST_KNOWN: usize = 4096;

#[derive(Debug, Default)]
pub(super) struct Parts {
    /// By step and id, hashed.
    told: HashMap<u64, Told>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Told {
    at: u64,
    current: u64,
    total: u64,
    started: u64,
    completed: u64,
}

impl Parts {
    pub(super) fn update(
        &mut self,
        step: u32,
        part: &VertexStatus,
        secrets: &Secrets,
        frames: &mut Frames,
    ) {
        let now = Told {
            at: nanos(part.timestamp),
            current: count(part.current),
            total: count(part.total),
            started: nanos(part.started),
            completed: nanos(part.completed),
        };
        let mut hasher = DefaultHasher::new();
        (step, &part.id).hash(&mut hasher);
        let key = hasher.finish();
        if self.told.get(&key).is_some_and(|told| !now.is_news_after(*told)) {
            return;
        }
        if self.told.len() >= MOST_KNOWN {
            // What is forgotten is at most told twice.
            self.told.clear();
        }
        self.told.insert(key, now);
        frames.add(Event::Progress(BuildProgress {
            step,
            id: frames::name(secrets.text(&part.id)),
            current: now.current,
            total: now.total,
            started_unix_nanos: now.started,
            completed_unix_nanos: now.completed,
        }));
    }
}

impl Told {
    fn is_news_after(self, told: Self) -> bool {
        let is_turn = (self.started, self.completed) != (told.started, told.completed);
        let is_growth = (self.current, self.total) != (told.current, told.total);
        is_turn || (is_growth && self.at.abs_diff(told.at) >= PACE_NANOS)
    }
}

fn count(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}
