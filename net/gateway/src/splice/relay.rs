//! Both ways at once, until both have ended.

use std::{io, time::Duration};

use kiln_net::record::Reason;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    time::{Instant, timeout_at},
};

use super::{
    bulk::{Bulk, bulk},
    connection::Refusal,
    opening::HELLO_LIMIT,
};
use crate::{http_host::Requests, recorder::FlowRecord};

/// Nothing either way.
const IDLE_LIMIT: Duration = Duration::from_secs(3600);
/// How exactly that is kept.
const IDLE_CHECKS: u32 = 6;
/// In each direction.
const BUFFER_BYTES: usize = 16 << 10;
/// What a connection has moved by then, in one direction, makes it worth a pipe.
const BULK_BYTES: usize = 1 << 20;

/// `first` goes to the server before all else. `requests`: what the guest says is read as them.
pub(crate) async fn relay(
    guest: (impl AsyncRead + Bulk + Unpin, impl AsyncWrite + Bulk + Unpin),
    server: (impl AsyncRead + Bulk + Unpin, impl AsyncWrite + Bulk + Unpin),
    requests: Option<Requests>,
    first: Vec<u8>,
    flow: &FlowRecord,
) -> Result<(), Refusal> {
    let sent = |bytes| flow.sent(bytes);
    let received = |bytes| flow.received(bytes);
    let there = async {
        let (from, mut to) = (guest.0, server.1);
        write(&mut to, &first, &sent).await?;
        drop(first);
        match requests {
            None => copy(from, to, &sent).await,
            Some(requests) => copy_requests(from, to, requests, &sent).await,
        }
    };
    let back = copy(server.0, guest.1, &received);
    tokio::select! {
        ended = async { tokio::try_join!(there, back) } => ended.map(|_| ()),
        () = idle(flow) => Err(Refusal::new(Reason::Limit)),
    }
}

async fn idle(flow: &FlowRecord) {
    let mut since = 0;
    let mut seen = flow.moved();
    while since < IDLE_CHECKS {
        tokio::time::sleep(IDLE_LIMIT / IDLE_CHECKS).await;
        let now = flow.moved();
        since = if now == seen { since + 1 } else { 0 };
        seen = now;
    }
}

async fn copy(
    mut from: impl AsyncRead + Bulk + Unpin,
    mut to: impl AsyncWrite + Bulk + Unpin,
    count: &impl Fn(usize),
) -> Result<(), Refusal> {
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut moved = 0_usize;
    loop {
        let read = from.read(&mut buffer).await.map_err(broken)?;
        if read == 0 {
            return end(to).await;
        }
        write(&mut to, &buffer[..read], count).await?;
        let before = moved;
        moved = before.saturating_add(read);
        // Tried once.
        if before < BULK_BYTES
            && moved >= BULK_BYTES
            && let (Some(from), Some(to)) = (from.stream(), to.stream())
            && let Some(ended) = bulk(from, to, count).await
        {
            ended.map_err(broken)?;
            break;
        }
    }
    end(to).await
}

async fn copy_requests(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut requests: Requests,
    count: &impl Fn(usize),
) -> Result<(), Refusal> {
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut passed = Vec::new();
    let mut head_since = None;
    loop {
        let read = if requests.in_head() {
            let until = *head_since.get_or_insert_with(Instant::now) + HELLO_LIMIT;
            let read = timeout_at(until, from.read(&mut buffer)).await;
            read.map_err(|_| Refusal::new(Reason::Limit))?
        } else {
            head_since = None;
            from.read(&mut buffer).await
        };
        let read = read.map_err(broken)?;
        if read == 0 {
            return end(to).await;
        }
        passed.clear();
        requests.push(&buffer[..read], &mut passed).map_err(|error| Refusal::from(&error))?;
        write(&mut to, &passed, count).await?;
    }
}

async fn write(
    to: &mut (impl AsyncWrite + Unpin),
    mut bytes: &[u8],
    count: &impl Fn(usize),
) -> Result<(), Refusal> {
    while !bytes.is_empty() {
        let written = to.write(bytes).await.map_err(broken)?;
        if written == 0 {
            return Err(Refusal::SILENT);
        }
        count(written);
        bytes = &bytes[written..];
    }
    Ok(())
}

/// The other direction goes on.
async fn end(mut to: impl AsyncWrite + Unpin) -> Result<(), Refusal> {
    match to.shutdown().await {
        // It has gone by itself.
        Err(error) if error.kind() != io::ErrorKind::NotConnected => Err(broken(error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Whoever it was, the other is told by a reset too.
fn broken(_error: io::Error) -> Refusal {
    Refusal::SILENT
}
