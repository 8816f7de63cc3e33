//! The end of what all steps wrote, in the order in which it came.

use std::collections::VecDeque;

use crate::job::denial::TAIL_BYTES;

#[derive(Debug, Default)]
pub(super) struct Tail(VecDeque<u8>);

impl Tail {
    pub(super) fn push(&mut self, data: &[u8]) {
        let data = &data[data.len().saturating_sub(TAIL_BYTES)..];
        let over = (self.0.len() + data.len()).saturating_sub(TAIL_BYTES);
        self.0.drain(..over);
        self.0.extend(data);
    }

    pub(super) fn to_vec(&self) -> Vec<u8> {
        self.0.iter().copied().collect()
    }
}
