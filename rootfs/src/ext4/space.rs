//! Blocks given out from the front, past those that are taken.

use std::ops::Range;

/// Blocks that stand together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) start: u64,
    pub(super) length: u64,
}

/// It has no end: whoever lays out a file system sees by where it stands how large that must be.
#[derive(Clone, Debug)]
pub(super) struct Space<'taken> {
    /// What is still ahead, in order.
    taken: &'taken [Range<u64>],
    at: u64,
}

impl<'taken> Space<'taken> {
    pub(super) fn new(taken: &'taken [Range<u64>], at: u64) -> Self {
        let behind = taken.partition_point(|range| range.end <= at);
        let mut space = Self { taken: &taken[behind..], at };
        space.skip();
        space
    }

    /// The next block that would be given out.
    pub(super) fn at(&self) -> u64 {
        self.at
    }

    /// Up to so many blocks that stand together.
    pub(super) fn take(&mut self, most: u64) -> Run {
        let start = self.at;
        let ahead = self.taken.first().map_or(u64::MAX, |range| range.start - start);
        let length = most.min(ahead);
        self.at += length;
        self.skip();
        Run { start, length }
    }

    /// As many blocks as that, together, wherever that is possible next.
    pub(super) fn together(&mut self, length: u64) -> u64 {
        loop {
            let run = self.take(length);
            if run.length == length {
                return run.start;
            }
        }
    }

    fn skip(&mut self) {
        while let Some((range, rest)) = self.taken.split_first() {
            if self.at < range.start {
                break;
            }
            self.at = self.at.max(range.end);
            self.taken = rest;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_given_out_around_what_is_taken() {
        let taken = [0..3, 5..6, 6..8, 20..21];
        let mut space = Space::new(&taken, 0);
        assert_eq!(space.take(9), Run { start: 3, length: 2 });
        assert_eq!(space.at(), 8);
        assert_eq!(space.take(4), Run { start: 8, length: 4 });
        assert_eq!(space.together(9), 21);
        assert_eq!(space.at(), 30);
        assert_eq!(Space::new(&taken, 7).at(), 8);
    }
}
