//! One connection: the daemon's, or a stream to an endpoint.

use std::{io, time::Duration};

use kiln_net::control::{MAX_LINE_BYTES, Opening, Tell};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{UnixListener, UnixStream, unix::OwnedReadHalf},
    task::JoinSet,
};

use super::Control;

/// Those that have not said yet what they are, and daemons.
const MAX_CONNECTIONS: usize = 64;
const MAX_OPENING_BYTES: usize = 128;
const OPENING_LIMIT: Duration = Duration::from_secs(5);
/// A daemon that reads nothing for so long is no daemon.
const WRITE_LIMIT: Duration = Duration::from_secs(5);
/// Between two tries to accept when descriptors or memory are short.
const PAUSE: Duration = Duration::from_millis(100);

pub(super) async fn accept(control: Control, listener: UnixListener) -> io::Error {
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        if connections.len() >= MAX_CONNECTIONS {
            connections.join_next().await;
            continue;
        }
        match listener.accept().await {
            Ok((stream, _)) => {
                connections.spawn(serve(control.clone(), stream));
            }
            Err(error) if transient(&error) => tokio::time::sleep(PAUSE).await,
            Err(error) => return error,
        }
    }
}

pub(crate) fn transient(error: &io::Error) -> bool {
    matches!(
        rustix::io::Errno::from_io_error(error),
        Some(
            rustix::io::Errno::CONNABORTED
                | rustix::io::Errno::INTR
                | rustix::io::Errno::MFILE
                | rustix::io::Errno::NFILE
                | rustix::io::Errno::NOBUFS
                | rustix::io::Errno::NOMEM
        )
    )
}

pub(super) async fn serve(control: Control, mut stream: UnixStream) {
    let opening = tokio::time::timeout(OPENING_LIMIT, opening(&mut stream)).await;
    match opening {
        Ok(Some(Opening::Stream { id })) => control.streamed(id, stream),
        Ok(Some(Opening::Hello {})) => converse(&control, stream).await,
        Ok(Some(Opening::Flush {})) => control.flush().await,
        Ok(None) | Err(_) => {}
    }
}

/// Byte by byte, since all that follows the line is a stream's.
async fn opening(stream: &mut UnixStream) -> Option<Opening> {
    let mut line = Vec::with_capacity(MAX_OPENING_BYTES);
    while line.len() < MAX_OPENING_BYTES {
        match stream.read_u8().await {
            Ok(b'\n') => return serde_json::from_slice(&line).ok(),
            Ok(byte) => line.push(byte),
            Err(_) => return None,
        }
    }
    None
}

async fn converse(control: &Control, stream: UnixStream) {
    let (number, mut asks) = control.greet();
    let (reader, mut writer) = stream.into_split();
    let write = async {
        // Ends when a newer daemon has taken over.
        while let Some(line) = asks.recv().await {
            let written = tokio::time::timeout(WRITE_LIMIT, writer.write_all(&line)).await;
            if !matches!(written, Ok(Ok(()))) {
                return;
            }
        }
    };
    tokio::select! {
        () = write => {}
        () = read(control, reader) => {}
    }
    control.part(number);
}

/// Until the daemon hangs up, or says what can't be read.
async fn read(control: &Control, reader: OwnedReadHalf) {
    let mut reader = BufReader::with_capacity(8 << 10, reader);
    let mut line = Vec::new();
    loop {
        line.clear();
        let mut bounded = (&mut reader).take(MAX_LINE_BYTES as u64);
        match bounded.read_until(b'\n', &mut line).await {
            Ok(_) if line.last() == Some(&b'\n') => {}
            Ok(_) | Err(_) => return,
        }
        let Ok(tell) = serde_json::from_slice::<Tell>(&line) else { return };
        control.told(tell);
    }
}
