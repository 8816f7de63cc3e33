//! A share of the stories, for machines that divide a run between them.

use std::str::FromStr;

use anyhow::{Context as _, ensure};

/// `index` of `count`, counted from 0 here and from 1 in text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    index: usize,
    count: usize,
}

impl Shard {
    pub const WHOLE: Self = Self { index: 0, count: 1 };

    /// Whether this share holds the story at `position` of the list.
    pub fn holds(self, position: usize) -> bool {
        position % self.count == self.index
    }

    /// Whether it tells what is told once, after everything.
    pub fn is_last(self) -> bool {
        self.index + 1 == self.count
    }
}

impl FromStr for Shard {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let wrong = || format!("{text:?} is no shard: write i/n, such as 1/3");
        let (index, count) = text.split_once('/').with_context(wrong)?;
        let (index, count): (usize, usize) =
            (index.parse().with_context(wrong)?, count.parse().with_context(wrong)?);
        ensure!((1..=count).contains(&index), wrong());
        Ok(Self { index: index - 1, count })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_together_hold_each_story_once() {
        let shards: Vec<Shard> =
            ["1/3", "2/3", "3/3"].iter().map(|text| text.parse().unwrap()).collect();
        for position in 0..20 {
            assert_eq!(shards.iter().filter(|shard| shard.holds(position)).count(), 1);
        }
    }

    #[test]
    fn what_is_no_shard_is_refused() {
        for text in ["", "1", "0/3", "4/3", "a/b", "1/0", "-1/2"] {
            assert!(text.parse::<Shard>().is_err(), "{text}");
        }
    }
}
