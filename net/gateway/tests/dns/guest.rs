//! What a guest sends, byte by byte if it likes, and what it hears.

use std::{
    io::{ErrorKind, Read, Write},
    net::{IpAddr, SocketAddr, TcpStream, UdpSocket},
    time::Duration,
};

use hickory_proto::{
    op::{Edns, Message, Query, ResponseCode},
    rr::{Name, RData, RecordType},
};

use crate::daemon::wire;

/// Longer than the gateway takes to give up.
const LIMIT: Duration = Duration::from_secs(8);
const SILENCE: Duration = Duration::from_millis(400);

pub(crate) fn query(name: &str, kind: RecordType) -> Message {
    query_of(wire(name), kind)
}

pub(crate) fn query_of(name: Name, kind: RecordType) -> Message {
    let mut message = Message::query();
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(name, kind));
    message
}

pub(crate) fn extended(mut message: Message, payload: u16) -> Message {
    let mut edns = Edns::new();
    edns.set_max_payload(payload);
    message.set_edns(edns);
    message
}

/// Over UDP, as from a socket of its own.
pub(crate) fn send(to: SocketAddr, message: &[u8]) -> UdpSocket {
    let any = if to.is_ipv4() { "127.0.0.1:0" } else { "[::1]:0" };
    let socket = UdpSocket::bind(any).unwrap();
    socket.connect(to).unwrap();
    socket.set_read_timeout(Some(LIMIT)).unwrap();
    socket.send(message).unwrap();
    socket
}

pub(crate) fn hear(socket: &UdpSocket) -> Message {
    let mut buffer = vec![0; 65_535];
    // A child that ends elsewhere in these tests interrupts it.
    let length = loop {
        match socket.recv(&mut buffer) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            received => break received.expect("an answer"),
        }
    };
    Message::from_vec(&buffer[..length]).unwrap()
}

pub(crate) fn hears_nothing(to: SocketAddr, message: &[u8]) -> bool {
    let socket = send(to, message);
    socket.set_read_timeout(Some(SILENCE)).unwrap();
    socket.recv(&mut [0; 512]).is_err()
}

pub(crate) fn exchange(to: SocketAddr, message: &Message) -> Message {
    let answer = hear(&send(to, &message.to_vec().unwrap()));
    assert_eq!(answer.metadata.id, message.metadata.id);
    answer
}

pub(crate) fn ask(to: SocketAddr, name: &str, kind: RecordType) -> Message {
    exchange(to, &query(name, kind))
}

pub(crate) fn code(message: &Message) -> ResponseCode {
    message.metadata.response_code
}

/// As every stub resolver takes it at once: nothing, from one that could have asked, to be kept
/// by nobody.
pub(crate) fn is_refused(message: &Message) -> bool {
    code(message) == ResponseCode::NoError
        && message.metadata.recursion_available
        && !message.metadata.truncation
        && message.answers.is_empty()
        && message.authorities.is_empty()
        && message.additionals.is_empty()
}

pub(crate) fn addresses(message: &Message) -> Vec<String> {
    message
        .answers
        .iter()
        .filter_map(|one| match &one.data {
            RData::A(four) => Some(IpAddr::V4(four.0)),
            RData::AAAA(six) => Some(IpAddr::V6(six.0)),
            _ => None,
        })
        .map(|address| address.to_string())
        .collect()
}

pub(crate) fn connect(to: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(to).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

pub(crate) fn framed(message: &[u8]) -> Vec<u8> {
    let mut framed = u16::try_from(message.len()).unwrap().to_be_bytes().to_vec();
    framed.extend(message);
    framed
}

pub(crate) fn read(stream: &mut TcpStream) -> Option<Message> {
    let mut length = [0; 2];
    stream.read_exact(&mut length).ok()?;
    let mut message = vec![0; u16::from_be_bytes(length).into()];
    stream.read_exact(&mut message).ok()?;
    Some(Message::from_vec(&message).unwrap())
}

pub(crate) fn exchange_tcp(to: SocketAddr, message: &Message) -> Message {
    let mut stream = connect(to);
    stream.write_all(&framed(&message.to_vec().unwrap())).unwrap();
    read(&mut stream).expect("an answer")
}
