//! The twelve bytes with which each DNS message begins.

use rustix::rand::{GetRandomFlags, getrandom};

const BYTES: usize = 12;
/// A question of a few names and options; no server takes more in a datagram of old.
const MAX_QUESTION_BYTES: usize = 1232;

/// Of the third byte.
const ANSWER: u8 = 0x80;
const OPERATION: u8 = 0x78;
const TRUNCATED: u8 = 0x02;
/// Of the fourth.
const CODE: u8 = 0x0f;
/// `SERVFAIL`, `NOTIMP`, `REFUSED`: of the server, not of the name.
const UNABLE: [u8; 3] = [2, 4, 5];

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidQuestion {
    #[error("a question of {0} bytes is none")]
    Length(usize),
    /// An update of a zone, among others, which a server might follow since it is the host's.
    #[error("it is no plain question")]
    Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) number: u16,
    pub(super) is_truncated: bool,
    /// No other server would know better.
    pub(super) is_final: bool,
}

impl Header {
    pub(super) fn of_question(message: &[u8]) -> Result<Self, InvalidQuestion> {
        if !(BYTES..=MAX_QUESTION_BYTES).contains(&message.len()) {
            return Err(InvalidQuestion::Length(message.len()));
        }
        if message[2] & (ANSWER | OPERATION) != 0 {
            return Err(InvalidQuestion::Kind);
        }
        Ok(Self::of(message))
    }

    /// `None` for what is no answer to a question.
    pub(super) fn of_answer(message: &[u8]) -> Option<Self> {
        let is_answer = message.len() >= BYTES && message[2] & (ANSWER | OPERATION) == ANSWER;
        is_answer.then(|| Self::of(message))
    }

    fn of(message: &[u8]) -> Self {
        Self {
            number: u16::from_be_bytes([message[0], message[1]]),
            is_truncated: message[2] & TRUNCATED != 0,
            is_final: !UNABLE.contains(&(message[3] & CODE)),
        }
    }
}

/// Of a message that has a header.
pub(super) fn renumber(message: &mut [u8], number: u16) {
    message[..2].copy_from_slice(&number.to_be_bytes());
}

/// What nobody can guess. Without randomness the question's port is still its own.
pub(super) fn draw() -> u16 {
    let mut bytes = [0; 2];
    let _drawn = getrandom(&mut bytes, GetRandomFlags::empty());
    u16::from_be_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(third: u8, fourth: u8) -> Vec<u8> {
        let mut message = vec![0x12, 0x34, third, fourth];
        message.resize(20, 0);
        message
    }

    #[test]
    fn only_a_plain_question_is_passed_on() {
        assert_eq!(Header::of_question(&message(0x01, 0)).unwrap().number, 0x1234);
        for length in [0, 1, 11, MAX_QUESTION_BYTES + 1, 65_535] {
            let refused = Header::of_question(&vec![0; length]);
            assert_eq!(refused, Err(InvalidQuestion::Length(length)));
        }
        // An answer; a status; a notification; an update.
        for third in [0x80, 0x10, 0x20, 0x28] {
            assert_eq!(Header::of_question(&message(third, 0)), Err(InvalidQuestion::Kind));
        }
    }

    #[test]
    fn an_answer_is_told_from_what_is_none() {
        for (third, fourth, expected) in [
            (0x80, 0, Some((false, true))),
            (0x82, 0, Some((true, true))),
            // There is no such name: nobody knows better.
            (0x81, 0x83, Some((false, true))),
            (0x81, 0x82, Some((false, false))),
            (0x81, 0x84, Some((false, false))),
            (0x81, 0x85, Some((false, false))),
            (0x01, 0, None),
            (0xa8, 0, None),
        ] {
            let found = Header::of_answer(&message(third, fourth));
            assert_eq!(found.map(|head| (head.is_truncated, head.is_final)), expected, "{third:x}");
        }
        assert_eq!(Header::of_answer(&[0x12, 0x34, 0x80]), None);
    }

    #[test]
    fn a_number_is_changed_and_nothing_else() {
        let mut changed = message(0x81, 0x83);
        renumber(&mut changed, 0xabcd);
        assert_eq!(changed[..4], [0xab, 0xcd, 0x81, 0x83]);
        assert_eq!(changed[4..], message(0, 0)[4..]);
    }
}
