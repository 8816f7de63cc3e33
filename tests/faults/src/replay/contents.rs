//! What a file holds.

use super::{Order, Roll};

const SECTOR: usize = 512;

#[derive(Debug, Default)]
pub(super) struct Contents {
    /// As of the last sync.
    durable: Vec<u8>,
    pending: Vec<Change>,
}

#[derive(Debug)]
enum Change {
    Write {
        offset: usize,
        data: Vec<u8>,
    },
    /// Bytes of zero, and a file that is at least so long.
    Zero {
        offset: usize,
        length: usize,
    },
    Length(usize),
}

impl Contents {
    pub(super) fn write(&mut self, offset: u64, data: &[u8]) {
        self.pending.push(Change::Write { offset: place(offset), data: data.to_vec() });
    }

    pub(super) fn truncate(&mut self, length: u64) {
        self.pending.push(Change::Length(place(length)));
    }

    /// `told` is the length and the mode of a `fallocate`.
    pub(super) fn allocate(&mut self, offset: u64, told: &[u8]) {
        let word = |at: usize| {
            let bytes = told.get(at..at + 8).and_then(|bytes| bytes.try_into().ok());
            bytes.map_or(0, u64::from_le_bytes)
        };
        let (offset, length, mode) = (place(offset), place(word(0)), word(8));
        let keeps_size = mode & 1 != 0;
        let zeroes = mode & 0x12 != 0;
        if zeroes {
            self.pending.push(Change::Zero { offset, length });
        } else if !keeps_size && offset + length > self.length() {
            self.pending.push(Change::Length(offset + length));
        }
    }

    pub(super) fn sync(&mut self) {
        for change in self.pending.drain(..) {
            change.apply(&mut self.durable);
        }
    }

    pub(super) fn as_seen(&self) -> Vec<u8> {
        let mut bytes = self.durable.clone();
        self.pending.iter().for_each(|change| change.apply(&mut bytes));
        bytes
    }

    pub(super) fn after_power_loss(&self, order: Order, roll: Roll<'_>) -> Vec<u8> {
        let mut bytes = self.durable.clone();
        match order {
            Order::Kept => {
                let kept = roll(self.pending.len() + 1);
                self.pending[..kept].iter().for_each(|change| change.apply(&mut bytes));
                if let Some(torn) = self.pending.get(kept) {
                    torn.apply_torn(&mut bytes, roll);
                }
            }
            Order::Lost => {
                for change in &self.pending {
                    match roll(4) {
                        0 => {}
                        1 => change.apply_torn(&mut bytes, roll),
                        _ => change.apply(&mut bytes),
                    }
                }
            }
        }
        bytes
    }

    fn length(&self) -> usize {
        self.pending.iter().fold(self.durable.len(), |length, change| match change {
            Change::Write { offset, data } => length.max(offset + data.len()),
            Change::Zero { .. } => length,
            Change::Length(length) => *length,
        })
    }
}

impl Change {
    fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Write { offset, data } => put(bytes, *offset, data),
            Self::Zero { offset, length } => {
                let end = (offset + length).min(bytes.len());
                let start = (*offset).min(end);
                bytes[start..end].fill(0);
            }
            Self::Length(length) => bytes.resize(*length, 0),
        }
    }

    /// Some of its sectors; of what has none, all or nothing.
    fn apply_torn(&self, bytes: &mut Vec<u8>, roll: Roll<'_>) {
        let Self::Write { offset, data } = self else {
            if roll(2) == 0 {
                self.apply(bytes);
            }
            return;
        };
        let mut at = 0;
        while at < data.len() {
            let until_boundary = SECTOR - (offset + at) % SECTOR;
            let end = (at + until_boundary).min(data.len());
            if roll(2) == 0 {
                put(bytes, offset + at, &data[at..end]);
            }
            at = end;
        }
    }
}

fn put(bytes: &mut Vec<u8>, offset: usize, data: &[u8]) {
    let end = offset + data.len();
    if bytes.len() < end {
        bytes.resize(end, 0);
    }
    bytes[offset..end].copy_from_slice(data);
}

fn place(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
