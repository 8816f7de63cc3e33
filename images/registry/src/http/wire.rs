//! A connection under a time limit for writing, which tells what has gone out.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep},
};

use super::receipts::Receipts;

/// In so long a client that is waited for takes so much, or is given up: a blob is held for it
/// meanwhile.
const PATIENCE: Duration = Duration::from_secs(60);
const FEWEST_BYTES: usize = 64 << 10;

pub(crate) struct Wire<S> {
    stream: S,
    receipts: Receipts,
    /// None: it has taken all that there was.
    window: Option<Window>,
}

/// From when a client was first waited for. A byte now and then does not end it.
struct Window {
    end: Pin<Box<Sleep>>,
    taken: usize,
}

impl<S> Wire<S> {
    pub(crate) fn new(stream: S, receipts: Receipts) -> Self {
        Self { stream, receipts, window: None }
    }

    fn judge_write(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        match (&written, &mut self.window) {
            (Poll::Pending, _) => self.judge_wait(cx).map(Err),
            (Poll::Ready(Ok(bytes)), Some(window)) => {
                window.taken = window.taken.saturating_add(*bytes);
                written
            }
            (Poll::Ready(_), _) => written,
        }
    }

    /// Of all that was to be written before.
    fn judge_rest(
        &mut self,
        cx: &mut Context<'_>,
        flushed: Poll<io::Result<()>>,
    ) -> Poll<io::Result<()>> {
        if flushed.is_pending() {
            return self.judge_wait(cx).map(Err);
        }
        self.window = None;
        flushed
    }

    fn judge_wait(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        let window =
            self.window.get_or_insert_with(|| Window { end: Box::pin(sleep(PATIENCE)), taken: 0 });
        while window.end.as_mut().poll(cx).is_ready() {
            if window.taken < FEWEST_BYTES {
                return Poll::Ready(io::ErrorKind::TimedOut.into());
            }
            window.end.as_mut().reset(Instant::now() + PATIENCE);
            window.taken = 0;
        }
        Poll::Pending
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Wire<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Wire<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.judge_write(cx, written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        if matches!(flushed, Poll::Ready(Ok(()))) {
            self.receipts.flushed();
        }
        self.judge_rest(cx, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.judge_rest(cx, shut)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, buffers);
        self.judge_write(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

/// Reads what a client still says after its last answer, for a while: were the connection closed with
/// bytes unread, the answer could be lost on its way.
pub(crate) async fn linger<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S) {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    const TIME: Duration = Duration::from_secs(5);
    const MAX_BYTES: usize = 256 << 20;

    let until = Instant::now() + TIME;
    let drained = async {
        stream.shutdown().await?;
        let mut buffer = vec![0; 64 << 10];
        let mut left = MAX_BYTES;
        while left > 0 {
            match stream.read(&mut buffer).await? {
                0 => break,
                read => left = left.saturating_sub(read),
            }
        }
        io::Result::Ok(())
    };
    // Whatever came of it, the connection ends now.
    drop(tokio::time::timeout_at(until, drained).await);
}
