//! TLS until its names are exchanged: a server may ask for a second hello, and the name in that one
//! has to be the same.

use std::time::Duration;

use kiln_net::{name::Name, record::Reason};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use super::{
    connection::Refusal,
    opening::{HELLO_LIMIT, named},
};
use crate::{
    client_hello::{Answer, ClientHello, MAX_BYTES, ServerAnswer},
    recorder::FlowRecord,
};

/// For a server to answer a hello.
const ANSWER_LIMIT: Duration = Duration::from_secs(60);
const READ_BYTES: usize = 4 << 10;

/// Sends the hello; what the guest has said behind it (`held`) waits for the server's answer, since
/// only that tells whether it may be another hello. What is returned may be sent on.
pub(super) async fn settle(
    guest: &mut TcpStream,
    server: &mut TcpStream,
    name: &Name,
    (hello, held): (Vec<u8>, Vec<u8>),
    flow: &FlowRecord,
) -> Result<Vec<u8>, Refusal> {
    send(server, &hello, flow).await?;
    let answered = timeout(ANSWER_LIMIT, answer(guest, server, flow)).await;
    match answered.map_err(|_| Refusal::new(Reason::Unreachable))?? {
        Answer::Settled => Ok(held),
        Answer::Retry => {
            let again = timeout(HELLO_LIMIT, read_again(guest, held)).await;
            let (again, bytes) = again.map_err(|_| Refusal::new(Reason::Limit))??;
            if again != *name {
                return Err(Refusal::new(Reason::OtherServerName).named(again.to_string()));
            }
            Ok(bytes)
        }
    }
}

/// Passes on what the server says, until that tells what it wants.
async fn answer(
    guest: &mut TcpStream,
    server: &mut TcpStream,
    flow: &FlowRecord,
) -> Result<Answer, Refusal> {
    let mut parser = ServerAnswer::default();
    let mut bytes = Vec::new();
    loop {
        bytes.clear();
        bytes.reserve(READ_BYTES);
        let count = server.read_buf(&mut bytes).await.map_err(|_| Refusal::SILENT)?;
        if count == 0 {
            // The rest is as with any other connection that ends.
            return Ok(Answer::Settled);
        }
        guest.write_all(&bytes).await.map_err(|_| Refusal::SILENT)?;
        flow.received(count);
        if let Some(answer) = parser.push(&bytes) {
            return Ok(answer);
        }
    }
}

/// The second hello's name, and all that may be sent on.
async fn read_again(guest: &mut TcpStream, held: Vec<u8>) -> Result<(Name, Vec<u8>), Refusal> {
    let mut parser = ClientHello::again();
    let mut bytes = held;
    let mut read = 0;
    loop {
        let hello = parser.push(&bytes[read..]);
        if let Some(hello) = hello.map_err(|error| Refusal::new(error.reason()))? {
            return Ok((named(hello.name)?, bytes));
        }
        read = bytes.len();
        if read > 2 * MAX_BYTES {
            return Err(Refusal::new(Reason::Limit));
        }
        bytes.reserve(READ_BYTES);
        if guest.read_buf(&mut bytes).await.map_err(|_| Refusal::SILENT)? == 0 {
            return Err(Refusal::SILENT);
        }
    }
}

async fn send(server: &mut TcpStream, bytes: &[u8], flow: &FlowRecord) -> Result<(), Refusal> {
    let sent = timeout(ANSWER_LIMIT, server.write_all(bytes)).await;
    if !matches!(sent, Ok(Ok(()))) {
        return Err(Refusal::SILENT);
    }
    flow.sent(bytes.len());
    Ok(())
}
