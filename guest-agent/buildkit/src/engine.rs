//! Connections to docker's engine that speak gRPC behind a greeting of HTTP/1.1.

use std::{
    future::Future,
    io,
    path::{Path, PathBuf},
    pin::Pin,
    task::{Context, Poll},
};

use bytes::{Buf as _, BytesMut};
use hyper::{body::Incoming, client::conn::http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf},
    net::UnixStream,
};
use tonic::{
    body::Body,
    codegen::{Service, http},
};

/// Of an answer's head, and of what the engine says where it refuses.
const MAX_HEAD_BYTES: usize = 64 << 10;

#[derive(Debug, thiserror::Error)]
pub(crate) enum EngineError {
    #[error("the engine's socket {} does not answer", path.display())]
    Connect { path: PathBuf, source: io::Error },
    #[error("the engine hung up on {what}")]
    Talk { what: &'static str, source: io::Error },
    #[error("the engine refused {what}: {answer}")]
    Refused { what: &'static str, answer: String },
    #[error("the engine's greeting was not understood")]
    Greeting(#[source] hyper::Error),
}

/// A connection that was taken over: HTTP/2 comes through it from here on.
#[derive(Debug)]
pub(crate) struct Stream {
    /// What came along with the answer.
    early: BytesMut,
    socket: UnixStream,
}

/// Takes a connection over. `what` is a path of the engine's.
pub(crate) async fn take_over(
    engine: &Path,
    what: &'static str,
    headers: &[(&str, &str)],
) -> Result<Stream, EngineError> {
    let failed = |source| EngineError::Connect { path: engine.to_owned(), source };
    let mut socket = UnixStream::connect(engine).await.map_err(failed)?;
    let mut request =
        format!("POST {what} HTTP/1.1\r\nHost: engine\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n");
    for (name, value) in headers {
        for part in [name, ": ", value, "\r\n"] {
            request.push_str(part);
        }
    }
    request.push_str("\r\n");
    let talk = |source| EngineError::Talk { what, source };
    socket.write_all(request.as_bytes()).await.map_err(talk)?;
    let mut early = BytesMut::with_capacity(4096);
    let end = loop {
        if let Some(at) = early.windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
        if early.len() > MAX_HEAD_BYTES || socket.read_buf(&mut early).await.map_err(talk)? == 0 {
            return Err(talk(io::ErrorKind::UnexpectedEof.into()));
        }
    };
    let head = early.split_to(end).freeze();
    let status = head.split(|byte: &u8| *byte == b'\r').next().unwrap_or_default();
    if status.split(|byte| *byte == b' ').nth(1) == Some(b"101") {
        return Ok(Stream { early, socket });
    }
    // It may keep the connection open behind what it has to say.
    let answer = String::from_utf8_lossy(&early).trim().to_owned();
    let status = String::from_utf8_lossy(status);
    let answer =
        if answer.is_empty() { status.into_owned() } else { format!("{status}: {answer}") };
    Err(EngineError::Refused { what, answer })
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.early.is_empty() {
            return Pin::new(&mut self.socket).poll_read(context, buffer);
        }
        let length = self.early.len().min(buffer.remaining());
        buffer.put_slice(&self.early[..length]);
        self.early.advance(length);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(context)
    }
}

/// Calls over one connection: what breaks it ends them all.
#[derive(Clone, Debug)]
pub(crate) struct Calls(http2::SendRequest<Body>);

impl Calls {
    pub(crate) async fn connect(engine: &Path) -> Result<Self, EngineError> {
        Self::over(take_over(engine, "/grpc", &[]).await?).await
    }

    pub(crate) async fn over<S>(stream: S) -> Result<Self, EngineError>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let (calls, connection) = http2::Builder::new(TokioExecutor::new())
            .handshake(TokioIo::new(stream))
            .await
            .map_err(EngineError::Greeting)?;
        // How it ended is told to each call that is under way.
        tokio::spawn(async { drop(connection.await) });
        Ok(Self(calls))
    }
}

impl Service<http::Request<Body>> for Calls {
    type Response = http::Response<Incoming>;
    type Error = hyper::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        Box::pin(self.0.send_request(request))
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::UnixListener;

    use super::*;

    /// What comes of an engine that answers so, piece by piece.
    async fn answered(pieces: &'static [&'static str]) -> (String, Result<Stream, EngineError>) {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("socket");
        let listener = UnixListener::bind(&socket).unwrap();
        let engine = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut asked = BytesMut::new();
            while !asked.ends_with(b"\r\n\r\n") {
                assert_ne!(stream.read_buf(&mut asked).await.unwrap(), 0);
            }
            for piece in pieces {
                stream.write_all(piece.as_bytes()).await.unwrap();
                tokio::task::yield_now().await;
            }
            String::from_utf8(asked.to_vec()).unwrap()
        });
        let stream = take_over(&socket, "/session", &[("X-One", "a"), ("X-One", "b")]).await;
        (engine.await.unwrap(), stream)
    }

    #[tokio::test]
    async fn what_comes_with_the_answer_is_not_lost() {
        for pieces in [
            &["HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\nfirst ", "second"][..],
            &["HTTP/1.1 101 X\r", "\n\r", "\n", "first second"],
        ] {
            let (asked, stream) = answered(pieces).await;
            let expected = "POST /session HTTP/1.1\r\nHost: engine\r\nConnection: Upgrade\r\n\
                            Upgrade: h2c\r\nX-One: a\r\nX-One: b\r\n\r\n";
            assert_eq!(asked, expected);
            let mut rest = String::new();
            stream.unwrap().read_to_string(&mut rest).await.unwrap();
            assert_eq!(rest, "first second");
        }
    }

    #[tokio::test]
    async fn a_refusal_is_told_in_the_engines_words() {
        let refused = "HTTP/1.1 400 Bad Request\r\nContent-Length: 12\r\n\r\n{\"no\": true}";
        let (_, ended) = answered(Box::leak(Box::new([refused]))).await;
        let words = ended.unwrap_err().to_string();
        let expected = r#"the engine refused /session: HTTP/1.1 400 Bad Request: {"no": true}"#;
        assert_eq!(words, expected);
        for cut in ["", "HTTP/1.1 101 Swi"] {
            let (_, ended) = answered(Box::leak(Box::new([cut]))).await;
            assert!(matches!(ended, Err(EngineError::Talk { .. })));
        }
        let nowhere = tempfile::tempdir().unwrap().path().join("socket");
        let ended = take_over(&nowhere, "/grpc", &[]).await;
        assert!(matches!(ended, Err(EngineError::Connect { .. })));
    }
}
