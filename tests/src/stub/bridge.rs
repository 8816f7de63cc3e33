//! The bridge to a stub guest: `CONNECT <port>\n` is answered by `OK <n>\n`, or by a hang-up.

use std::{cell::Cell, io, rc::Rc};

use kiln_proto::agent::PORT;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{UnixListener, UnixStream},
    sync::mpsc,
    task::spawn_local,
};

/// More than any port and the words around it.
const LONGEST_LINE: usize = 32;

/// Hands the agent who calls its port, for as long as `listens` says that somebody listens there.
pub(super) async fn bridge(
    listener: UnixListener,
    listens: Rc<Cell<bool>>,
    agent: mpsc::Sender<io::Result<UnixStream>>,
) -> io::Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        let (listens, agent) = (Rc::clone(&listens), agent.clone());
        spawn_local(async move {
            if let Ok(Some(stream)) = connected(stream, &listens).await {
                // Fails when the agent is gone, and then the stream is closed.
                let _ = agent.send(Ok(stream)).await;
            }
        });
    }
}

async fn connected(mut stream: UnixStream, listens: &Cell<bool>) -> io::Result<Option<UnixStream>> {
    let mut line = Vec::new();
    while line.len() < LONGEST_LINE && line.last() != Some(&b'\n') {
        line.push(stream.read_u8().await?);
    }
    if !listens.get() || line != format!("CONNECT {PORT}\n").into_bytes() {
        return Ok(None);
    }
    stream.write_all(b"OK 1\n").await?;
    Ok(Some(stream))
}
