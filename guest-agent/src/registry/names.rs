//! What a name means, asked of the gateway: a static program has no other resolver.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use tokio::{net::UdpSocket, time::timeout};

const A: u16 = 1;
const AAAA: u16 = 28;
const IN: u16 = 1;
/// The gateway has asked whom it asks by then.
const PATIENCE: Duration = Duration::from_secs(5);
const TRIES: u8 = 2;
/// What comes in a datagram when nobody has asked for more.
const MAX_BYTES: usize = 512;

/// Of both families, where there is IPv6.
pub(super) async fn resolve(
    resolver: SocketAddr,
    name: &str,
    six: bool,
) -> io::Result<Vec<IpAddr>> {
    let mut addresses = ask(resolver, name, A).await?;
    if six {
        addresses.extend(ask(resolver, name, AAAA).await?);
    }
    Ok(addresses)
}

async fn ask(resolver: SocketAddr, name: &str, kind: u16) -> io::Result<Vec<IpAddr>> {
    let mut number = [0; 2];
    rustix::rand::getrandom(&mut number, rustix::rand::GetRandomFlags::empty())?;
    let question = question(u16::from_be_bytes(number), name, kind);
    // It hears of nobody else.
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).await?;
    socket.connect(resolver).await?;
    for _ in 0..TRIES {
        socket.send(&question).await?;
        let mut answer = [0; MAX_BYTES];
        if let Ok(heard) = timeout(PATIENCE, socket.recv(&mut answer)).await {
            return answers(&answer[..heard?], &question, kind).ok_or_else(|| {
                io::Error::new(io::ErrorKind::InvalidData, "the resolver has no answer")
            });
        }
    }
    Err(io::ErrorKind::TimedOut.into())
}

/// `name` was looked at: its labels are short and none is empty.
fn question(id: u16, name: &str, kind: u16) -> Vec<u8> {
    let mut message = id.to_be_bytes().to_vec();
    // Recursion is desired; one question.
    message.extend([1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    for label in name.split('.') {
        message.push(u8::try_from(label.len()).unwrap_or(0));
        message.extend(label.as_bytes());
    }
    message.push(0);
    message.extend(kind.to_be_bytes());
    message.extend(IN.to_be_bytes());
    message
}

/// The addresses in the answer to `question`, to whomever the aliases lead. `None`: it is not one.
fn answers(message: &[u8], question: &[u8], kind: u16) -> Option<Vec<IpAddr>> {
    let word = |at: usize| Some(u16::from_be_bytes(*message.get(at..)?.first_chunk()?));
    let is_answer = message.get(..2)? == question.get(..2)? && *message.get(2)? & 0x80 != 0;
    let failed = *message.get(3)? & 0x0f != 0;
    let asked = question.get(12..)?;
    // A resolver may have changed the case.
    if !is_answer || failed || !message.get(12..12 + asked.len())?.eq_ignore_ascii_case(asked) {
        return None;
    }
    let mut addresses = Vec::new();
    let mut at = 12 + asked.len();
    for _ in 0..word(6)? {
        at = behind_name(message, at)?;
        let (found, length) = (word(at)?, usize::from(word(at + 8)?));
        let data = message.get(at + 10..at + 10 + length)?;
        at += 10 + length;
        if found != kind {
            continue;
        }
        if let Ok(four) = <[u8; 4]>::try_from(data) {
            addresses.push(Ipv4Addr::from(four).into());
        } else if let Ok(six) = <[u8; 16]>::try_from(data) {
            addresses.push(Ipv6Addr::from(six).into());
        }
    }
    Some(addresses)
}

fn behind_name(message: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match *message.get(at)? {
            0 => return Some(at + 1),
            length @ 1..=63 => at += 1 + usize::from(length),
            // A pointer, which is a name's last part.
            192.. => return Some(at + 2),
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(id: u16, code: u8, records: &[(&[u8], u16, &[u8])]) -> Vec<u8> {
        let mut message = question(id, "one.test", A);
        message[2] |= 0x80;
        message[3] = code;
        message[7] = u8::try_from(records.len()).unwrap();
        for (name, kind, data) in records {
            message.extend(*name);
            message.extend(kind.to_be_bytes());
            message.extend([0, 1, 0, 0, 0, 60]);
            message.extend(u16::try_from(data.len()).unwrap().to_be_bytes());
            message.extend(*data);
        }
        message
    }

    #[test]
    fn addresses_are_taken_and_all_else_is_passed_over() {
        let asked = question(7, "ONE.test", A);
        let pointer: &[u8] = &[0xc0, 12];
        let records: [(&[u8], u16, &[u8]); 4] = [
            (pointer, 5, b"\x03two\xc0\x10"),
            (b"\x03two\x04test\0", A, &[192, 0, 2, 7]),
            (pointer, AAAA, &[0; 16]),
            (pointer, A, &[1, 2, 3]),
        ];
        let heard = answers(&answer(7, 0, &records), &asked, A);
        assert_eq!(heard, Some(vec![[192, 0, 2, 7].into()]));
        assert_eq!(answers(&answer(7, 0, &[]), &asked, A), Some(vec![]));
        assert_eq!(answers(&answer(7, 5, &records), &asked, A), None);
        assert_eq!(answers(&answer(8, 0, &records), &asked, A), None);
        assert_eq!(answers(&asked, &asked, A), None);
        let other = question(7, "other.test", A);
        assert_eq!(answers(&answer(7, 0, &records), &other, A), None);
        let whole = answer(7, 0, &records);
        for end in 0..whole.len() {
            assert_eq!(answers(&whole[..end], &asked, A), None, "{end}");
        }
    }
}
