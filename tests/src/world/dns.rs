//! The messages of DNS, as far as a server of a story's needs them: one question, and its answer
//! without compression.

use std::net::{IpAddr, SocketAddr};

use super::zone::{Answer, Asked, Data, Zone};

const HEADER_BYTES: usize = 12;
/// What is more than this is said over TCP.
const UDP_BYTES: usize = 512;
const ANSWER: u16 = 0x8580;
const TRUNCATED: u16 = 0x0200;
const NO_SUCH_NAME: u16 = 3;
const INTERNET: u16 = 1;

/// `None` for what is no question.
pub(super) fn answer(
    question: &[u8],
    from: SocketAddr,
    zone: &Zone,
    is_udp: bool,
) -> Option<Vec<u8>> {
    let (name, kind, end) = read(question)?;
    let found = zone.answer(Asked { from, name, kind });
    let records = found.as_deref().unwrap_or_default();
    let flags = ANSWER | if found.is_none() { NO_SUCH_NAME } else { 0 };
    let written = write(question, end, flags, records);
    if is_udp && written.len() > UDP_BYTES {
        return Some(write(question, end, flags | TRUNCATED, &[]));
    }
    Some(written)
}

/// The name, the kind, and where the question ends.
fn read(message: &[u8]) -> Option<(String, u16, usize)> {
    let is_response = message.get(2)? & 0x80 != 0;
    if is_response || message.get(4..6)? != [0, 1] {
        return None;
    }
    let (mut labels, mut at) = (Vec::new(), HEADER_BYTES);
    loop {
        let length = usize::from(*message.get(at)?);
        at += 1;
        match length {
            0 => break,
            1..=63 => {
                let label = message.get(at..at + length)?;
                labels.push(String::from_utf8_lossy(label).into_owned());
                at += length;
            }
            _ => return None,
        }
    }
    let kind = u16::from_be_bytes(message.get(at..at + 2)?.try_into().ok()?);
    message.get(at + 4 - 1)?;
    Some((labels.join("."), kind, at + 4))
}

fn write(question: &[u8], end: usize, flags: u16, records: &[(String, Answer)]) -> Vec<u8> {
    let count = u16::try_from(records.len()).unwrap_or(u16::MAX);
    let mut message = question[..2].to_vec();
    for word in [flags, 1, count, 0, 0] {
        message.extend(word.to_be_bytes());
    }
    message.extend(&question[HEADER_BYTES..end]);
    for (name, Answer { data, seconds }) in records {
        message.extend(wire_name(name));
        for word in [data.kind(), INTERNET] {
            message.extend(word.to_be_bytes());
        }
        message.extend(seconds.to_be_bytes());
        let bytes = wire_data(data);
        message.extend(u16::try_from(bytes.len()).unwrap_or(u16::MAX).to_be_bytes());
        message.extend(bytes);
    }
    message
}

fn wire_data(data: &Data) -> Vec<u8> {
    match data {
        Data::Address(IpAddr::V4(four)) => four.octets().to_vec(),
        Data::Address(IpAddr::V6(six)) => six.octets().to_vec(),
        Data::Alias(name) => wire_name(name),
        Data::Text(text) => labelled(text),
        Data::Service(bytes) => bytes.clone(),
    }
}

fn wire_name(name: &str) -> Vec<u8> {
    let mut bytes: Vec<u8> = name.split('.').flat_map(labelled).collect();
    bytes.push(0);
    bytes
}

fn labelled(text: &str) -> Vec<u8> {
    let length = text.len().min(255);
    let mut bytes = vec![u8::try_from(length).unwrap_or(u8::MAX)];
    bytes.extend(&text.as_bytes()[..length]);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(name: &str, kind: u16) -> Vec<u8> {
        let mut message = vec![0xab, 0xcd, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        message.extend(wire_name(name));
        message.extend(kind.to_be_bytes());
        message.extend(INTERNET.to_be_bytes());
        message
    }

    fn check(name: &str, kind: u16, code: u8, count: u8, end: &[u8]) {
        let zone = Zone::of_tests();
        let from = SocketAddr::from(([192, 0, 2, 1], 5));
        let said = answer(&question(name, kind), from, &zone, true).unwrap();
        assert_eq!((&said[..2], said[3] & 15, said[7]), (&[0xab, 0xcd][..], code, count), "{name}");
        assert!(said.ends_with(end), "{name}: {said:?}");
        assert_eq!(zone.asked(), [Asked { from, name: name.to_owned(), kind }]);
    }

    #[test]
    fn names_are_answered() {
        check("one.test", 1, 0, 1, &[0, 4, 203, 0, 113, 80]);
        check("ONE.test", 1, 0, 1, &[0, 4, 203, 0, 113, 80]);
        check("one.test", 28, 0, 0, &[0, 28, 0, 1]);
        check("alias.test", 1, 0, 2, &[0, 4, 203, 0, 113, 80]);
        check("loop.test", 1, 0, 8, b"\x04loop\x04test\x00");
        check("nobody.test", 1, 3, 0, &[0, 1, 0, 1]);
        check("hints.test", 65, 0, 1, &[0, 5, 0, 4, 1, 2, 3, 4]);
        assert!(answer(&[0; 12], ([0; 4], 1).into(), &Zone::default(), true).is_none());
    }
}
