//! Streams of questions, each after its length; answered one after the other.

use std::{io, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::JoinSet,
    time::timeout,
};

use super::{Most, Resolver, question};
use crate::control::transient;

/// Those beyond wait until one has ended, which each does.
const MAX_STREAMS: usize = 32;
/// Between questions.
const IDLE: Duration = Duration::from_secs(5);
/// For the rest of a question, and to take an answer.
const SLOW: Duration = Duration::from_secs(5);
const LIFETIME: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(100);

pub(super) async fn serve(resolver: Resolver, listener: TcpListener) -> io::Error {
    let room = Arc::new(Semaphore::new(MAX_STREAMS));
    let mut streams = JoinSet::new();
    loop {
        while streams.try_join_next().is_some() {}
        let Ok(permit) = Arc::clone(&room).acquire_owned().await else { continue };
        match listener.accept().await {
            Ok((stream, _)) => {
                let resolver = resolver.clone();
                streams.spawn(async move {
                    let _ = timeout(LIFETIME, converse(&resolver, stream)).await;
                    drop(permit);
                });
            }
            Err(error) if transient(&error) => tokio::time::sleep(PAUSE).await,
            Err(error) => return error,
        }
    }
}

/// Until the guest has hung up, is slow, or says what is no question.
async fn converse(resolver: &Resolver, mut stream: TcpStream) -> Option<()> {
    loop {
        let length = timeout(IDLE, stream.read_u16()).await.ok()?.ok()?;
        let length = usize::from(length);
        if length > question::MAX_BYTES {
            return None;
        }
        let mut message = vec![0; length];
        timeout(SLOW, stream.read_exact(&mut message)).await.ok()?.ok()?;
        let reply = resolver.answer(&message, Most::Stream).await?;
        let mut framed = u16::try_from(reply.len()).ok()?.to_be_bytes().to_vec();
        framed.extend(reply);
        timeout(SLOW, stream.write_all(&framed)).await.ok()?.ok()?;
    }
}
