//! One question to one server.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpStream, UdpSocket},
    time::timeout,
};

use super::header::Header;

/// Above what a gateway says that it takes; what is longer comes truncated, and then by TCP.
const DATAGRAM_BYTES: usize = 16 << 10;

/// An answer to the question's number; over TCP where the datagram says that it is not whole.
pub(super) async fn ask(
    server: SocketAddr,
    question: &[u8],
    patience: Duration,
) -> io::Result<Vec<u8>> {
    let answer = timeout(patience, by_datagram(server, question)).await??;
    if Header::of_answer(&answer).is_some_and(|header| header.is_truncated) {
        // What is cut is an answer as well, for want of a better one.
        return match timeout(patience, by_stream(server, question)).await {
            Ok(Ok(whole)) => Ok(whole),
            Ok(Err(_)) | Err(_) => Ok(answer),
        };
    }
    Ok(answer)
}

async fn by_datagram(server: SocketAddr, question: &[u8]) -> io::Result<Vec<u8>> {
    let any = match server {
        SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    // The kernel draws the port. Connected, it takes nothing but what comes from the server.
    let socket = UdpSocket::bind(SocketAddr::new(any, 0)).await?;
    socket.connect(server).await?;
    socket.send(question).await?;
    let mut buffer = vec![0; DATAGRAM_BYTES];
    loop {
        let length = socket.recv(&mut buffer).await?;
        if belongs(&buffer[..length], question) {
            buffer.truncate(length);
            buffer.shrink_to_fit();
            return Ok(buffer);
        }
    }
}

async fn by_stream(server: SocketAddr, question: &[u8]) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(server).await?;
    let length = u16::try_from(question.len()).map_err(io::Error::other)?;
    let message = [&length.to_be_bytes(), question].concat();
    stream.write_all(&message).await?;
    let mut answer = vec![0; usize::from(stream.read_u16().await?)];
    stream.read_exact(&mut answer).await?;
    if belongs(&answer, question) { Ok(answer) } else { Err(io::ErrorKind::InvalidData.into()) }
}

fn belongs(answer: &[u8], question: &[u8]) -> bool {
    Header::of_answer(answer).is_some() && answer[..2] == question[..2]
}
