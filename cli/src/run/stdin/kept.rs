//! Stdin that kilnd has not taken for good: kept, so that it can be sent again.
//!
//! ```text
//! taken for good │ kept                          │ not yet read
//!                ├── sent on this stream ──┤      │
//!                base                      sent   end
//! ```

use std::collections::VecDeque;

use bytes::{Buf, Bytes};
use kiln_proto::v1::{self, attach_job_request::Event};

/// More is not read before some of it is taken.
const WINDOW: u64 = 1 << 20;

#[derive(Debug, Default)]
pub(crate) struct Kept {
    base: u64,
    chunks: VecDeque<Bytes>,
    end: u64,
    sent: u64,
    /// kilnd said on this stream from where to send.
    is_ready: bool,
    is_over: bool,
    end_is_sent: bool,
}

/// What kilnd says of stdin cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum StdinError {
    #[error("kilnd wants stdin again from byte {wanted}, of which it had taken {base}")]
    Gone { wanted: u64, base: u64 },
    #[error("kilnd has taken {taken} bytes of stdin, and {sent} were sent")]
    NeverSent { taken: u64, sent: u64 },
}

impl Kept {
    /// Another stream: nothing is sent before kilnd says from where.
    pub(crate) fn begin_stream(&mut self) {
        self.is_ready = false;
        self.end_is_sent = false;
    }

    pub(crate) fn ready(&mut self, offset: u64) -> Result<(), StdinError> {
        if offset < self.base {
            return Err(StdinError::Gone { wanted: offset, base: self.base });
        }
        self.forget(offset)?;
        self.sent = offset;
        self.is_ready = true;
        Ok(())
    }

    pub(crate) fn taken(&mut self, offset: u64) -> Result<(), StdinError> {
        if offset > self.sent {
            return Err(StdinError::NeverSent { taken: offset, sent: self.sent });
        }
        self.forget(offset)
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.is_ready
    }

    /// Whether more is to be read.
    pub(crate) fn wants_more(&self) -> bool {
        !self.is_over && self.end - self.base < WINDOW
    }

    /// `None` is the end of stdin.
    pub(crate) fn push(&mut self, chunk: Option<Bytes>) {
        match chunk {
            Some(chunk) => {
                self.end += chunk.len() as u64;
                self.chunks.push_back(chunk);
            }
            None => self.is_over = true,
        }
    }

    /// What is to be sent next on this stream.
    pub(crate) fn next(&mut self) -> Option<Event> {
        if !self.is_ready {
            return None;
        }
        if self.sent == self.end {
            if !self.is_over || self.end_is_sent {
                return None;
            }
            self.end_is_sent = true;
            return Some(Event::StdinClosed(v1::StdinClosed {}));
        }
        let mut start = self.base;
        for chunk in &self.chunks {
            let end = start + chunk.len() as u64;
            if self.sent < end {
                let skipped = usize::try_from(self.sent - start).unwrap_or_default();
                self.sent = end;
                return Some(Event::Stdin(chunk.slice(skipped..)));
            }
            start = end;
        }
        None
    }

    fn forget(&mut self, offset: u64) -> Result<(), StdinError> {
        if offset > self.end {
            return Err(StdinError::NeverSent { taken: offset, sent: self.end });
        }
        while self.base < offset {
            let Some(chunk) = self.chunks.front_mut() else { break };
            let left = usize::try_from(offset - self.base).unwrap_or(usize::MAX);
            let part = left.min(chunk.len());
            chunk.advance(part);
            self.base += part as u64;
            if chunk.is_empty() {
                self.chunks.pop_front();
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(event: Option<Event>) -> String {
        match event {
            Some(Event::Stdin(bytes)) => String::from_utf8(bytes.to_vec()).unwrap(),
            Some(Event::StdinClosed(_)) => "end".to_owned(),
            None => "nothing".to_owned(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_new_stream_goes_on_where_the_old_one_was_taken() {
        let mut kept = Kept::default();
        kept.push(Some("abc".into()));
        assert_eq!(text(kept.next()), "nothing");
        kept.ready(0).unwrap();
        assert_eq!(text(kept.next()), "abc");
        kept.push(Some("def".into()));
        assert_eq!(text(kept.next()), "def");
        kept.taken(2).unwrap();

        kept.begin_stream();
        assert_eq!(text(kept.next()), "nothing");
        kept.push(None);
        kept.ready(4).unwrap();
        assert_eq!(text(kept.next()), "ef");
        assert_eq!(text(kept.next()), "end");
        assert_eq!(text(kept.next()), "nothing");

        kept.begin_stream();
        kept.ready(6).unwrap();
        assert_eq!(text(kept.next()), "end");
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let mut kept = Kept::default();
        kept.push(Some("abc".into()));
        kept.ready(0).unwrap();
        assert_eq!(kept.taken(1), Err(StdinError::NeverSent { taken: 1, sent: 0 }));
        kept.next();
        kept.taken(3).unwrap();
        assert_eq!(kept.ready(2), Err(StdinError::Gone { wanted: 2, base: 3 }));
        assert_eq!(kept.ready(4), Err(StdinError::NeverSent { taken: 4, sent: 3 }));
    }

    #[test]
    fn no_more_is_read_than_fits_the_window() {
        let mut kept = Kept::default();
        assert!(kept.wants_more());
        kept.push(Some(vec![0; 1 << 20].into()));
        assert!(!kept.wants_more());
        kept.ready(0).unwrap();
        kept.next();
        kept.taken(1).unwrap();
        assert!(kept.wants_more());
        kept.push(None);
        assert!(!kept.wants_more());
    }
}
