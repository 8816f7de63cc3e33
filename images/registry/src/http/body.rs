//! Bodies of answers: of a length that is told beforehand, and no byte more or less.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

use super::receipts::Receipt;
use crate::content::Chunks;

/// Of what is whole in memory: a connection may copy what waits to be written.
const PIECE_BYTES: usize = 256 << 10;

pub(crate) struct AnswerBody {
    source: Source,
    /// That are still to come.
    left: u64,
    receipt: Option<Receipt>,
}

enum Source {
    Empty,
    Whole(Bytes),
    Stream(Chunks),
    /// The stream's last bytes, held back until it has ended well: a client takes what is as long as
    /// it was promised for whole.
    Last(Bytes, Chunks),
}

impl AnswerBody {
    pub(crate) fn empty() -> Self {
        Self { source: Source::Empty, left: 0, receipt: None }
    }

    pub(crate) fn whole(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        let left = bytes.len() as u64;
        Self { source: Source::Whole(bytes), left, receipt: None }
    }

    pub(crate) fn stream(chunks: Chunks, length: u64) -> Self {
        Self { source: Source::Stream(chunks), left: length, receipt: None }
    }

    /// Signed with the last byte; at once where there is none.
    pub(crate) fn with_receipt(mut self, mut receipt: Receipt) -> Self {
        if self.left == 0 {
            receipt.sign();
        } else {
            self.receipt = Some(receipt);
        }
        self
    }

    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<Bytes>>> {
        loop {
            match std::mem::replace(&mut self.source, Source::Empty) {
                Source::Empty => return Poll::Ready(Ok(None)),
                Source::Whole(mut bytes) => {
                    let piece = bytes.split_to(bytes.len().min(PIECE_BYTES));
                    self.source = Source::Whole(bytes);
                    return Poll::Ready(Ok(Some(piece)));
                }
                Source::Stream(mut chunks) => match chunks.as_mut().poll_next(cx) {
                    Poll::Pending => {
                        self.source = Source::Stream(chunks);
                        return Poll::Pending;
                    }
                    Poll::Ready(None) => return Poll::Ready(Err(short(self.left))),
                    Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(error)),
                    Poll::Ready(Some(Ok(bytes))) => match self.left.checked_sub(bytes.len() as u64)
                    {
                        None => return Poll::Ready(Err(long())),
                        Some(0) => self.source = Source::Last(bytes, chunks),
                        Some(_) => {
                            self.source = Source::Stream(chunks);
                            return Poll::Ready(Ok(Some(bytes)));
                        }
                    },
                },
                Source::Last(bytes, mut chunks) => match chunks.as_mut().poll_next(cx) {
                    Poll::Pending => {
                        self.source = Source::Last(bytes, chunks);
                        return Poll::Pending;
                    }
                    Poll::Ready(None) => return Poll::Ready(Ok(Some(bytes))),
                    Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(error)),
                    Poll::Ready(Some(Ok(more))) if more.is_empty() => {
                        self.source = Source::Last(bytes, chunks);
                    }
                    Poll::Ready(Some(Ok(_))) => return Poll::Ready(Err(long())),
                },
            }
        }
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let chunk = ready!(self.poll_chunk(cx)).transpose();
        if let Some(Ok(bytes)) = &chunk {
            self.left -= bytes.len() as u64;
            if self.left == 0
                && let Some(receipt) = &mut self.receipt
            {
                receipt.sign();
            }
        }
        Poll::Ready(chunk.map(|chunk| chunk.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

fn short(left: u64) -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, format!("{left} bytes are missing at the end"))
}

fn long() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "there are more bytes than there should be")
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;
    use proptest::prelude::*;

    use super::*;
    use crate::content::Chunks;

    struct Given(Vec<io::Result<Bytes>>);

    impl futures_core::Stream for Given {
        type Item = io::Result<Bytes>;

        fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
            Poll::Ready((!self.0.is_empty()).then(|| self.0.remove(0)))
        }
    }

    async fn read(given: Vec<io::Result<Bytes>>, length: u64) -> (usize, bool) {
        let chunks: Chunks = Box::pin(Given(given));
        let mut body = AnswerBody::stream(chunks, length);
        let mut came = 0;
        while let Some(frame) = body.frame().await {
            match frame {
                Ok(frame) => came += frame.into_data().unwrap().len(),
                Err(_) => return (came, false),
            }
        }
        (came, true)
    }

    fn bytes(length: usize) -> io::Result<Bytes> {
        let bytes: io::Result<_> = Ok(vec![0; length]);
        bytes.map(Bytes::from)
    }

    #[tokio::test]
    async fn an_error_behind_the_last_byte_comes_before_it() {
        let broken = || Err(io::Error::other("another digest"));
        assert_eq!(read(vec![bytes(4), bytes(6), broken()], 10).await, (4, false));
        assert_eq!(read(vec![bytes(4), bytes(6), bytes(0)], 10).await, (10, true));
        assert_eq!(read(vec![bytes(4), bytes(6), bytes(1)], 10).await, (4, false));
        assert_eq!(read(vec![bytes(4)], 10).await, (4, false));
        assert_eq!(read(vec![], 0).await, (0, true));
    }

    proptest! {
        #[test]
        fn it_is_as_long_as_promised_or_breaks(
            lengths in prop::collection::vec(0_usize..9, 0..9), promised in 0_u64..40,
        ) {
            let together: usize = lengths.iter().sum();
            let given = lengths.into_iter().map(bytes).collect();
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let (came, is_whole) = runtime.block_on(read(given, promised));
            let is_right = together as u64 == promised || promised == 0;
            prop_assert_eq!(is_whole, is_right);
            prop_assert!(came as u64 <= promised);
            if is_whole {
                prop_assert_eq!(came as u64, promised);
            } else {
                prop_assert!((came as u64) < promised);
            }
        }
    }
}
