//! Private keys as bytes: a whole file that is one, not bytes of it that look so.

use crate::harden::secret::KeyFormat;

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const BYTES: u8 = 0x04;
/// `keyBag` and `pkcs8ShroudedKeyBag` of PKCS #12.
const KEY_BAGS: [&[u8]; 2] = [
    b"\x06\x0b\x2a\x86\x48\x86\xf7\x0d\x01\x0c\x0a\x01\x01",
    b"\x06\x0b\x2a\x86\x48\x86\xf7\x0d\x01\x0c\x0a\x01\x02",
];

pub(super) fn key(bytes: &[u8]) -> Option<KeyFormat> {
    match bytes.get(..4)? {
        [SEQUENCE, ..] => key_of_sequence(bytes),
        b"\xfe\xed\xfe\xed" => has_private_entry(bytes).then_some(KeyFormat::JavaKeystore),
        _ => None,
    }
}

/// One sequence that is the whole file and begins with a version.
fn key_of_sequence(bytes: &[u8]) -> Option<KeyFormat> {
    let (body, rest) = value(bytes, SEQUENCE)?;
    if !rest.is_empty() {
        return None;
    }
    let (version, after) = value(body, INTEGER)?;
    let is_key = match version {
        // RSA's modulus as PKCS #1 has it, or the algorithm and then the key, as PKCS #8.
        [0] => match after.first()? {
            &INTEGER => numbers(after) == 8,
            _ => value(after, SEQUENCE).is_some_and(|(algorithm, key)| {
                algorithm.first() == Some(&0x06) && value(key, BYTES).is_some()
            }),
        },
        // SEC 1: the bytes of the number. PKCS #8 with a public key too.
        [1] => match after.first()? {
            &BYTES => value(after, BYTES).is_some_and(|(number, _)| number.len() >= 20),
            _ => value(after, SEQUENCE).is_some_and(|(_, key)| value(key, BYTES).is_some()),
        },
        [3] => {
            let has_bag = KEY_BAGS.iter().any(|bag| memchr::memmem::find(body, bag).is_some());
            return has_bag.then_some(KeyFormat::Pkcs12);
        }
        _ => false,
    };
    is_key.then_some(KeyFormat::Der)
}

/// How many integers there are, if there is nothing else.
fn numbers(mut bytes: &[u8]) -> usize {
    let mut count = 0;
    while let Some((_, rest)) = value(bytes, INTEGER) {
        count += 1;
        bytes = rest;
    }
    if bytes.is_empty() { count } else { 0 }
}

/// The bytes of a value of this kind, and what stands behind it.
fn value(bytes: &[u8], kind: u8) -> Option<(&[u8], &[u8])> {
    let (&first, rest) = bytes.split_first()?;
    let (&length, rest) = rest.split_first()?;
    if first != kind {
        return None;
    }
    let (length, rest) = match length {
        0..0x80 => (usize::from(length), rest),
        0x81..=0x83 => {
            let (digits, rest) = rest.split_at_checked(usize::from(length - 0x80))?;
            (digits.iter().fold(0, |sum, digit| sum << 8 | usize::from(*digit)), rest)
        }
        0x80 | 0x84.. => return None,
    };
    rest.split_at_checked(length)
}

/// Version, count, then entries: a tag of 1 is a private key, 2 a certificate, which is skipped.
fn has_private_entry(bytes: &[u8]) -> bool {
    let mut rest = bytes.get(8..).unwrap_or_default();
    let Some(count) = number(&mut rest, 4) else { return false };
    for _ in 0..count {
        match number(&mut rest, 4) {
            Some(1) => return true,
            Some(2) => {}
            _ => return false,
        }
        let skipped = skip_text(&mut rest)
            .and_then(|()| skip(&mut rest, 8))
            .and_then(|()| skip_text(&mut rest))
            .and_then(|()| number(&mut rest, 4))
            .and_then(|length| skip(&mut rest, length));
        if skipped.is_none() {
            return false;
        }
    }
    false
}

fn number(bytes: &mut &[u8], digits: usize) -> Option<usize> {
    let (number, rest) = bytes.split_at_checked(digits)?;
    *bytes = rest;
    Some(number.iter().fold(0, |sum, digit| sum << 8 | usize::from(*digit)))
}

fn skip(bytes: &mut &[u8], count: usize) -> Option<()> {
    *bytes = bytes.get(count..)?;
    Some(())
}

fn skip_text(bytes: &mut &[u8]) -> Option<()> {
    let length = number(bytes, 2)?;
    skip(bytes, length)
}
