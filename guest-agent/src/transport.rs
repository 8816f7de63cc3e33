//! The one wrapper around every vsock stream of the agent.
//!
//! The vsock bridge of the qemu driver (vhost-device-vsock) stalls for ever on a guest's write of
//! 64 KiB. So no write is larger than [`MAX_WRITE_BYTES`]; small ones are gathered up to it, because
//! HTTP/2 writes a frame's nine bytes of header apart from its payload, and each write is a packet.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Half of the largest write that was seen to work.
pub(crate) const MAX_WRITE_BYTES: usize = 16 * 1024;

/// A stream whose writes reach the wire in pieces of at most [`MAX_WRITE_BYTES`], at the latest
/// when it is flushed.
#[derive(Debug)]
pub(crate) struct CappedStream<S> {
    inner: S,
    /// Accepted and not yet written; never grows beyond the cap.
    pending: Box<[u8; MAX_WRITE_BYTES]>,
    /// `pending[start..end]` is what is left to write.
    start: usize,
    end: usize,
}

impl<S: AsyncWrite + Unpin> CappedStream<S> {
    pub(crate) fn new(inner: S) -> Self {
        Self { inner, pending: Box::new([0; MAX_WRITE_BYTES]), start: 0, end: 0 }
    }

    fn poll_write_pending(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.start < self.end {
            let piece = &self.pending[self.start..self.end];
            let written = ready!(Pin::new(&mut self.inner).poll_write(context, piece))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.start += written;
        }
        self.start = 0;
        self.end = 0;
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for CappedStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for CappedStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.end == MAX_WRITE_BYTES {
            ready!(self.poll_write_pending(context))?;
        }
        let end = self.end;
        let taken = data.len().min(MAX_WRITE_BYTES - end);
        self.pending[end..end + taken].copy_from_slice(&data[..taken]);
        self.end += taken;
        Poll::Ready(Ok(taken))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_write_pending(context))?;
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_write_pending(context))?;
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests;
