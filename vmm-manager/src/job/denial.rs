//! Whether what a guest was refused, by its network or by the host's registry, explains why its
//! command failed. Pure, and a judgement: nobody but the command knows why it gave up.
//!
//! Two things speak for it. The end of its output names what was refused, as the words of nearly
//! every client do; or the last thing that happened, seconds before its end, was a refusal. Of a
//! network's and the registry's, the one that the output names last is the cause, else the later one.

mod network;
mod registry;

use std::time::{Duration, SystemTime};

use kiln_net::record::EgressRecord;

use super::Failure;
use crate::{job::FailureClass, registry::RegistryRecord};

/// Between the last refusal and the end; clients give up at once, or after few tries.
const SOON: Duration = Duration::from_secs(5);
/// Of the output's end: what a client says before it gives up, and what its caller says about that.
pub const TAIL_BYTES: usize = 16 << 10;

/// What a machine was refused; none where it had none.
#[derive(Clone, Copy, Debug, Default)]
pub struct Refusals<'a> {
    pub network: Option<&'a EgressRecord>,
    pub registry: Option<&'a RegistryRecord>,
}

/// A refusal, and how much speaks for it.
struct Suspect<T> {
    refusal: T,
    evidence: Evidence,
}

/// In order: a name in the output says more than a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Evidence {
    Last(SystemTime),
    Named { place: usize },
}

impl Refusals<'_> {
    pub fn is_empty(&self) -> bool {
        self.network.is_none_or(|record| record.refusals.is_empty())
            && self.registry.is_none_or(|record| record.refusals.is_empty())
    }
}

/// `failure`, or the refusal that explains it. `tail` is the end of its output, `ended_at` when its
/// command ended. What is no command's own failure stays what it is.
pub fn explained(
    failure: Failure,
    refusals: Refusals<'_>,
    tail: &[u8],
    ended_at: SystemTime,
) -> Failure {
    // One with a reason could not be started, or has failed in another way that is known.
    if failure.class != FailureClass::User || failure.details.contains_key("reason") {
        return failure;
    }
    let start = tail.len().saturating_sub(TAIL_BYTES);
    let tail = String::from_utf8_lossy(&tail[start..]).to_ascii_lowercase();
    let network = network::suspect(refusals, &tail, ended_at);
    let registry = registry::suspect(refusals, &tail, ended_at);
    match (network, registry) {
        (Some(network), Some(registry)) if network.evidence > registry.evidence => {
            network::denied(failure, network.refusal)
        }
        (_, Some(registry)) => registry::denied(failure, registry.refusal),
        (Some(network), None) => network::denied(failure, network.refusal),
        (None, None) => failure,
    }
}

/// Near enough to its end to be its cause.
fn is_soon(last: SystemTime, ended_at: SystemTime) -> bool {
    ended_at.duration_since(last).unwrap_or_default() <= SOON
}

/// Where `host` stands for the last time as a word of its own: `one.test` does not stand in
/// `a.one.test`, nor in `one.test.example`, but in `one.test.` at a sentence's end.
fn last_word(text: &str, host: &str) -> Option<usize> {
    let joins = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_');
    let stands_alone = |place: usize| {
        let before = text[..place].chars().next_back();
        let mut behind = text[place + host.len()..].chars();
        let opens = !before.is_some_and(|letter| joins(letter) || letter == '.');
        let closes = match behind.next() {
            Some('.') => !behind.next().is_some_and(joins),
            Some(letter) => !joins(letter),
            None => true,
        };
        opens && closes
    };
    text.rmatch_indices(host).map(|(place, _)| place).find(|place| stands_alone(*place))
}

#[cfg(test)]
mod tests;
