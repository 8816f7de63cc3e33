//! Stdin between the host and the command.

use std::collections::VecDeque;

use kiln_proto::agent::STDIN_WINDOW_BYTES;

/// What is held beyond what the command has read.
#[expect(clippy::cast_possible_truncation, reason = "far below any `usize`")]
const WINDOW: usize = STDIN_WINDOW_BYTES as usize;

#[derive(Debug, Default)]
pub(in crate::exec) struct Queue {
    waiting: VecDeque<u8>,
    /// All that the host has sent and need not send again.
    received: u64,
    /// The host has said that there is no more.
    closed: bool,
    /// Nobody reads any more; what the host still sends goes nowhere, as with a closed pipe.
    unread: bool,
}

impl Queue {
    /// Whether the host is listened to. Twice what it is told was taken: a host that keeps to its
    /// window is always heard, and what it says beside stdin is never behind it.
    pub(in crate::exec) fn has_room(&self) -> bool {
        self.waiting.len() < 2 * WINDOW
    }

    pub(in crate::exec) fn push(&mut self, data: &[u8]) {
        self.received += data.len() as u64;
        if !self.unread {
            self.waiting.extend(data);
        }
    }

    pub(in crate::exec) fn close(&mut self) {
        self.closed = true;
    }

    pub(in crate::exec) fn is_closed(&self) -> bool {
        self.closed
    }

    pub(in crate::exec) fn received(&self) -> u64 {
        self.received
    }

    /// What the host is told. Never less than before: a window of what waits is always told of, and
    /// that makes a host wait for a command that does not read.
    pub(in crate::exec) fn taken(&self) -> u64 {
        self.received - self.untold() as u64
    }

    fn untold(&self) -> usize {
        self.waiting.len().saturating_sub(WINDOW)
    }

    /// Forgets what no host was told of: the next one sends it again, within its own window.
    pub(in crate::exec) fn rewind(&mut self) {
        let untold = self.untold();
        if untold > 0 {
            self.waiting.truncate(WINDOW);
            self.received -= untold as u64;
            // It came after what is forgotten.
            self.closed = false;
        }
    }

    /// Whether the command's end has something to do.
    pub(in crate::exec) fn is_ready(&self) -> bool {
        !self.waiting.is_empty() || self.closed
    }

    /// At most `limit` bytes for the command.
    pub(in crate::exec) fn pop(&mut self, limit: usize) -> Vec<u8> {
        // What lies in one piece: the rest comes next time.
        let (front, _) = self.waiting.as_slices();
        let popped = front[..front.len().min(limit)].to_vec();
        self.waiting.drain(..popped.len());
        if self.waiting.is_empty() {
            self.waiting.shrink_to(WINDOW / 4);
        }
        popped
    }

    pub(in crate::exec) fn give_up(&mut self) {
        self.unread = true;
        self.waiting = VecDeque::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_beyond_what_was_read_is_taken() {
        let mut queue = Queue::default();
        queue.push(&vec![1; WINDOW - 1]);
        assert_eq!(queue.taken(), queue.received());
        queue.push(&vec![2; WINDOW]);
        assert_eq!((queue.taken(), queue.has_room()), (WINDOW as u64, true));
        queue.push(&[3; 1]);
        assert!(!queue.has_room());
        let mut popped = 0;
        while popped < WINDOW {
            popped += queue.pop(WINDOW - popped).len();
        }
        assert_eq!(queue.taken(), queue.received());
        while queue.is_ready() {
            popped += queue.pop(usize::MAX).len();
        }
        assert_eq!(popped, 2 * WINDOW);
    }

    #[test]
    fn what_was_not_told_is_sent_again() {
        let mut queue = Queue::default();
        queue.push(&vec![1; WINDOW + 10]);
        queue.close();
        queue.rewind();
        assert_eq!((queue.taken(), queue.received()), (WINDOW as u64, WINDOW as u64));
        assert!(!queue.is_closed());
        queue.close();
        queue.rewind();
        assert!(queue.is_closed());
    }

    #[test]
    fn what_nobody_reads_is_taken_and_forgotten() {
        let mut queue = Queue::default();
        queue.push(&vec![1; 2 * WINDOW]);
        queue.give_up();
        queue.push(&vec![1; 2 * WINDOW]);
        assert_eq!((queue.taken(), queue.has_room()), (4 * WINDOW as u64, true));
        assert!(!queue.is_ready());
    }
}
