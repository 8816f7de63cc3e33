//! What was answered lately.

use std::{collections::HashMap, time::Duration};

use hickory_proto::rr::RecordType;
use kiln_net::name::Name;
use tokio::time::Instant;

use crate::answer::Answer;

const MAX_ENTRIES: usize = 512;
/// As [`cost`] estimates them.
const MAX_BYTES: usize = 1 << 20;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    pub name: Name,
    pub kind: RecordType,
}

#[derive(Debug, Default)]
pub struct Cache {
    entries: HashMap<Key, Entry>,
    bytes: usize,
}

#[derive(Debug)]
struct Entry {
    answer: Answer,
    until: Instant,
}

impl Cache {
    /// As long as it holds; its time is what is left of it.
    pub fn find(&self, key: &Key) -> Option<Answer> {
        let entry = self.entries.get(key)?;
        let left = entry.until.checked_duration_since(Instant::now())?;
        // What would be told as 0 seconds is over.
        (left >= Duration::from_secs(1)).then(|| entry.answer.clone().ending_in(left))
    }

    pub fn keep(&mut self, key: Key, answer: Answer) {
        self.remove(&key);
        let bytes = cost(&answer);
        if bytes > MAX_BYTES / 16 {
            return;
        }
        while self.entries.len() >= MAX_ENTRIES || self.bytes + bytes > MAX_BYTES {
            let first = self.entries.iter().min_by_key(|(_, entry)| entry.until);
            let Some(first) = first.map(|(key, _)| key.clone()) else { break };
            self.remove(&first);
        }
        let until = Instant::now() + answer.ttl();
        self.bytes += bytes;
        self.entries.insert(key, Entry { answer, until });
    }

    fn remove(&mut self, key: &Key) {
        if let Some(entry) = self.entries.remove(key) {
            self.bytes -= cost(&entry.answer);
        }
    }
}

/// About what an answer and its key take.
fn cost(answer: &Answer) -> usize {
    // A key, and an entry of the table.
    let fixed = 512;
    fixed
        + match answer {
            Answer::Addresses { addresses, .. } => addresses.len() * 20,
            Answer::Records { records, .. } => {
                records.iter().map(|one| 128 + 2 * one.to_string().len()).sum()
            }
            Answer::Alias { .. }
            | Answer::Empty { .. }
            | Answer::Missing { .. }
            | Answer::Private { .. } => 0,
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: usize) -> Key {
        Key { name: format!("n{number}.test").parse().unwrap(), kind: RecordType::A }
    }

    fn answer(seconds: u64) -> Answer {
        Answer::Addresses {
            addresses: vec![[198, 51, 100, 1].into()],
            ttl: Duration::from_secs(seconds),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_ages_and_ends() {
        let mut cache = Cache::default();
        cache.keep(key(1), answer(10));
        tokio::time::advance(Duration::from_secs(4)).await;
        assert_eq!(cache.find(&key(1)), Some(answer(6)));
        tokio::time::advance(Duration::from_secs(6)).await;
        assert_eq!(cache.find(&key(1)), None);
    }

    #[tokio::test(start_paused = true)]
    async fn what_ends_first_makes_room() {
        let mut cache = Cache::default();
        for number in 0..=MAX_ENTRIES {
            cache.keep(key(number), answer(100 + number as u64));
        }
        assert_eq!(cache.entries.len(), MAX_ENTRIES);
        assert_eq!(cache.find(&key(0)), None);
        assert!(cache.find(&key(MAX_ENTRIES)).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn its_bytes_are_counted_back() {
        let mut cache = Cache::default();
        for _ in 0..3 {
            cache.keep(key(1), answer(10));
        }
        assert_eq!(cache.bytes, cost(&answer(10)));
    }
}
