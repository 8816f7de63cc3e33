//! A guard on the guest's half of an HTTP/2 stream, in front of the library that parses it.
//!
//! HTTP/2 bounds the bytes of a peer by windows, but not its other frames: headers, settings,
//! pings and resets cost their sender nine bytes and their receiver an entry in some queue. Here
//! each of them costs credit, which only what we send and the data we take earns back; an honest
//! agent answers us and so never runs short. DATA frames are bounded by the windows (`wire`).
//!
//! *Bound*: a frame takes 1 credit and 1 more for 16 bytes, and at most [`CREDIT`] is there at any
//! time; with no dynamic header table a header field takes at least a byte of its frame, so what
//! hostile headers can fill before we write anything is `CREDIT × 16` fields of about 100 bytes:
//! 6.5 MiB.

use std::{
    io,
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// HTTP/2's own default; we offer no more.
pub(super) const MAX_FRAME_BYTES: u32 = 16 * 1024;
const CREDIT: u64 = 4096;
/// A ping of 17 bytes earns its answer.
const BYTES_SENT_PER_CREDIT: u64 = 16;
const DATA_BYTES_PER_CREDIT: u64 = 256;
const HEADER_BYTES: usize = 9;

/// A stream whose read half is guarded.
#[derive(Debug)]
pub(super) struct Guarded<S> {
    stream: S,
    frames: Frames,
    breach: Breach,
}

/// What the guest did, for those who see only that the connection has ended.
#[derive(Clone, Debug, Default)]
pub(super) struct Breach {
    what: Arc<OnceLock<&'static str>>,
}

impl Breach {
    pub(super) fn what(&self) -> Option<&'static str> {
        self.what.get().copied()
    }
}

impl<S> Guarded<S> {
    pub(super) fn new(stream: S) -> (Self, Breach) {
        let breach = Breach::default();
        (Self { stream, frames: Frames::new(), breach: breach.clone() }, breach)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Guarded<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        ready!(Pin::new(&mut this.stream).poll_read(context, buffer))?;
        if let Err(what) = this.frames.take(&buffer.filled()[before..]) {
            let what = this.breach.what.get_or_init(|| what);
            buffer.set_filled(before);
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, *what)));
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Guarded<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let length = ready!(Pin::new(&mut this.stream).poll_write(context, buffer))?;
        this.frames.earn_by_sending(length);
        Poll::Ready(Ok(length))
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}

/// Follows the frames in a byte stream, however it is cut.
#[derive(Debug)]
struct Frames {
    header: [u8; HEADER_BYTES],
    /// How much of `header` is there.
    filled: usize,
    /// What is left of the payload of the frame whose header was complete.
    payload: u32,
    /// In bytes sent, so that nothing is lost to rounding.
    credit: u64,
}

impl Frames {
    const fn new() -> Self {
        let credit = CREDIT * BYTES_SENT_PER_CREDIT;
        Self { header: [0; HEADER_BYTES], filled: 0, payload: 0, credit }
    }

    fn take(&mut self, mut bytes: &[u8]) -> Result<(), &'static str> {
        while !bytes.is_empty() {
            let skipped = bytes.len().min(self.payload as usize);
            bytes = &bytes[skipped..];
            // No more than `payload`, which is 32 bits wide.
            self.payload -= u32::try_from(skipped).unwrap_or(self.payload);
            let (head, rest) = bytes.split_at(bytes.len().min(HEADER_BYTES - self.filled));
            self.header[self.filled..self.filled + head.len()].copy_from_slice(head);
            self.filled += head.len();
            bytes = rest;
            if self.filled == HEADER_BYTES {
                self.filled = 0;
                self.begin()?;
            }
        }
        Ok(())
    }

    /// Judges the frame whose header is complete.
    fn begin(&mut self) -> Result<(), &'static str> {
        const DATA: u8 = 0;
        const HEADERS: u8 = 1;
        const RST_STREAM: u8 = 3;
        const SETTINGS: u8 = 4;
        const PING: u8 = 6;
        const GOAWAY: u8 = 7;
        const WINDOW_UPDATE: u8 = 8;
        const CONTINUATION: u8 = 9;
        let [high, middle, low, kind, ..] = self.header;
        let length = u32::from_be_bytes([0, high, middle, low]);
        if length > MAX_FRAME_BYTES {
            return Err("an HTTP/2 frame that is too large");
        }
        self.payload = length;
        match kind {
            DATA => self.earn(u64::from(length) * BYTES_SENT_PER_CREDIT / DATA_BYTES_PER_CREDIT),
            HEADERS | RST_STREAM | SETTINGS | PING | GOAWAY | WINDOW_UPDATE | CONTINUATION => {
                let cost = (1 + u64::from(length) / 16) * BYTES_SENT_PER_CREDIT;
                self.credit = self
                    .credit
                    .checked_sub(cost)
                    .ok_or("a flood of HTTP/2 frames that carry nothing")?;
            }
            _ => return Err("an HTTP/2 frame of a kind that no agent sends"),
        }
        Ok(())
    }

    fn earn_by_sending(&mut self, bytes: usize) {
        self.earn(bytes as u64);
    }

    fn earn(&mut self, sent: u64) {
        self.credit = (self.credit + sent).min(CREDIT * BYTES_SENT_PER_CREDIT);
    }
}

#[cfg(test)]
mod tests;
