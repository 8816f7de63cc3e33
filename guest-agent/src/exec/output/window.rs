//! A command's output between its pipes and the host: what the host has not yet taken.
//!
//! ```text
//! 0 ······ start ─────────── cursor ─────────── end
//!  taken         sent, not yet taken   not yet sent
//! ```
//!
//! Bytes and the pieces of which they are made are kept apart: a program that writes single bytes to
//! both streams in turn costs four bytes of memory for each, and no more.

use std::collections::VecDeque;

use bytes::Bytes;
use kiln_proto::agent::MAX_CHUNK_BYTES;

/// Which of the command's two streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Output {
    Stdout,
    Stderr,
}

#[derive(Debug)]
pub(in crate::exec) struct Window {
    capacity: usize,
    /// From `start` on.
    bytes: VecDeque<u8>,
    /// Together as long as `bytes`; neighbours are of different streams, and none is empty.
    pieces: VecDeque<Piece>,
    start: u64,
    /// Never before `start`.
    cursor: Cursor,
}

/// What is sent next.
#[derive(Clone, Copy, Debug, Default)]
struct Cursor {
    offset: u64,
    /// Its place in `pieces`; at the end of the last one until there is another.
    piece: usize,
    within: usize,
}

/// A run of bytes of one stream: the length, and the stream in the highest bit.
#[derive(Clone, Copy, Debug)]
struct Piece(u32);

/// What fits into one message.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::exec) struct Chunk {
    pub(in crate::exec) output: Output,
    pub(in crate::exec) offset: u64,
    pub(in crate::exec) data: Bytes,
}

/// Why output cannot be sent from an offset on.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::exec) enum NoSuchOffset {
    #[error("output before {start} was taken and is forgotten; {offset} was asked for")]
    Forgotten { start: u64, offset: u64 },
    #[error("there is output up to {end} only; {offset} was asked for")]
    Beyond { end: u64, offset: u64 },
}

/// The host has taken what it was not sent.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("output up to {sent} was sent and {offset} cannot be taken")]
pub(in crate::exec) struct NotSent {
    sent: u64,
    offset: u64,
}

impl Window {
    pub(in crate::exec) fn new(capacity: usize) -> Self {
        let (bytes, pieces) = Default::default();
        Self { capacity, bytes, pieces, start: 0, cursor: Cursor::default() }
    }

    /// How much more it takes.
    pub(in crate::exec) fn room(&self) -> usize {
        self.capacity - self.bytes.len()
    }

    /// Whether there is something to send.
    pub(in crate::exec) fn has_more(&self) -> bool {
        self.cursor.offset < self.end()
    }

    fn end(&self) -> u64 {
        self.start + self.bytes.len() as u64
    }

    /// At most [`Self::room`] bytes.
    pub(in crate::exec) fn push(&mut self, output: Output, data: &[u8]) {
        debug_assert!(data.len() <= self.room(), "the room was asked for");
        if data.is_empty() {
            return;
        }
        self.bytes.extend(data);
        match self.pieces.back_mut() {
            Some(last) if last.output() == output => last.grow(data.len()),
            _ => self.pieces.push_back(Piece::new(output, data.len())),
        }
    }

    /// What is sent next, and then counts as sent.
    pub(in crate::exec) fn send(&mut self) -> Option<Chunk> {
        if !self.has_more() {
            return None;
        }
        if self.cursor.within == self.pieces[self.cursor.piece].length() {
            self.cursor.piece += 1;
            self.cursor.within = 0;
        }
        let piece = self.pieces[self.cursor.piece];
        let offset = self.cursor.offset;
        let length = (piece.length() - self.cursor.within).min(MAX_CHUNK_BYTES);
        let data = self.copy(offset, length);
        self.cursor.within += length;
        self.cursor.offset += length as u64;
        Some(Chunk { output: piece.output(), offset, data })
    }

    fn copy(&self, offset: u64, length: usize) -> Bytes {
        let from = self.index(offset);
        let (front, back) = self.bytes.as_slices();
        let mut data = Vec::with_capacity(length);
        if let Some(front) = front.get(from..) {
            data.extend_from_slice(&front[..length.min(front.len())]);
        }
        let rest = length - data.len();
        let from = from.saturating_sub(front.len());
        data.extend_from_slice(&back[from..from + rest]);
        data.into()
    }

    /// Of an offset in the window, whose length is a `usize`.
    fn index(&self, offset: u64) -> usize {
        usize::try_from(offset - self.start).unwrap_or(usize::MAX)
    }

    /// Sends from `offset` on again.
    pub(in crate::exec) fn seek(&mut self, offset: u64) -> Result<(), NoSuchOffset> {
        if offset < self.start {
            return Err(NoSuchOffset::Forgotten { start: self.start, offset });
        }
        if offset > self.end() {
            return Err(NoSuchOffset::Beyond { end: self.end(), offset });
        }
        let mut within = self.index(offset);
        let mut piece = 0;
        while let Some(length) = self.pieces.get(piece).map(|piece| piece.length())
            && within > length
        {
            within -= length;
            piece += 1;
        }
        self.cursor = Cursor { offset, piece, within };
        Ok(())
    }

    /// Forgets what is before `offset`.
    pub(in crate::exec) fn forget(&mut self, offset: u64) -> Result<(), NotSent> {
        if offset > self.cursor.offset {
            return Err(NotSent { sent: self.cursor.offset, offset });
        }
        if offset <= self.start {
            return Ok(());
        }
        let mut gone = self.index(offset);
        self.bytes.drain(..gone);
        self.start = offset;
        while let Some(front) = self.pieces.front_mut()
            && gone > 0
        {
            let length = front.length();
            if gone < length {
                front.shrink(gone);
                if self.cursor.piece == 0 {
                    self.cursor.within -= gone;
                }
                return Ok(());
            }
            gone -= length;
            self.pieces.pop_front();
            // The cursor is not before `offset`: in this piece it can only be at its end.
            match self.cursor.piece.checked_sub(1) {
                Some(piece) => self.cursor.piece = piece,
                None => self.cursor.within = 0,
            }
        }
        Ok(())
    }

    /// Forgets what was sent.
    pub(in crate::exec) fn forget_sent(&mut self) {
        let sent = self.cursor.offset;
        // What was sent can be forgotten.
        let _ = self.forget(sent);
    }

    /// Gives back the memory that is not needed any more; for a command that has ended.
    pub(in crate::exec) fn shrink(&mut self) {
        self.bytes.shrink_to_fit();
        self.pieces.shrink_to_fit();
    }
}

impl Piece {
    const STDERR: u32 = 1 << 31;

    fn new(output: Output, length: usize) -> Self {
        let mut piece = Self(match output {
            Output::Stdout => 0,
            Output::Stderr => Self::STDERR,
        });
        piece.grow(length);
        piece
    }

    fn output(self) -> Output {
        if self.0 & Self::STDERR == 0 { Output::Stdout } else { Output::Stderr }
    }

    fn length(self) -> usize {
        (self.0 & !Self::STDERR) as usize
    }

    // No window is as large as 2 GiB.
    fn grow(&mut self, by: usize) {
        self.0 += u32::try_from(by).unwrap_or(0);
    }

    fn shrink(&mut self, by: usize) {
        self.0 -= u32::try_from(by).unwrap_or(0);
    }
}

#[cfg(test)]
mod tests;
