use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

/// Remembers the size of each write and takes at most `take` bytes of it.
#[derive(Debug, Default)]
struct Wire {
    sizes: Vec<usize>,
    bytes: Vec<u8>,
    take: usize,
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        let taken = data.len().min(self.take);
        self.sizes.push(data.len());
        self.bytes.extend_from_slice(&data[..taken]);
        Poll::Ready(Ok(taken))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|index| u8::try_from(index % 251).unwrap_or_default()).collect()
}

async fn check(take: usize, writes: &[usize], largest: usize) {
    let mut stream = CappedStream::new(Wire { take, ..Wire::default() });
    let mut sent = Vec::new();
    for length in writes {
        let data = pattern(*length);
        stream.write_all(&data).await.unwrap();
        sent.extend_from_slice(&data);
    }
    stream.flush().await.unwrap();
    assert_eq!(stream.inner.bytes, sent);
    assert_eq!(stream.inner.sizes.iter().max(), Some(&largest));
}

#[tokio::test]
async fn no_write_is_larger_than_the_cap_and_every_byte_arrives() {
    check(usize::MAX, &[64 * 1024], MAX_WRITE_BYTES).await;
    check(usize::MAX, &[1_000_000, 1, 70_000], MAX_WRITE_BYTES).await;
    check(1000, &[100_000], MAX_WRITE_BYTES).await;
}

#[tokio::test]
async fn header_and_payload_leave_in_one_write() {
    let mut stream = CappedStream::new(Wire { take: usize::MAX, ..Wire::default() });
    stream.write_all(&pattern(9)).await.unwrap();
    stream.write_all(&pattern(1000)).await.unwrap();
    stream.flush().await.unwrap();
    assert_eq!(stream.inner.sizes, [1009]);
}

#[tokio::test]
async fn a_wire_that_takes_nothing_is_an_error() {
    let mut stream = CappedStream::new(Wire::default());
    stream.write_all(b"x").await.unwrap();
    assert_eq!(stream.flush().await.unwrap_err().kind(), io::ErrorKind::WriteZero);
}

#[tokio::test]
async fn shutdown_writes_what_is_pending() {
    let (near, mut far) = tokio::io::duplex(64);
    let mut stream = CappedStream::new(near);
    stream.write_all(b"the end").await.unwrap();
    stream.shutdown().await.unwrap();
    let mut received = String::new();
    far.read_to_string(&mut received).await.unwrap();
    assert_eq!(received, "the end");
}
