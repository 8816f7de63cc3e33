//! Private keys as text. Programs and documents name these words too, so the key itself has to follow.

use crate::harden::secret::{KeyFormat, Secret};

/// Of characters, the least that a key has: those of an Ed25519 key as PKCS #8.
const LEAST: usize = 60;
/// A line of a key, so that words between are not taken for it.
const LINE: usize = 24;
const LONGEST: usize = 16 << 10;
/// Whatever fills up examples repeats itself.
const DIFFERENT: usize = 16;

/// `-----BEGIN RSA PRIVATE KEY-----` and its like, also within strings of a program or of JSON.
pub(super) fn pem(bytes: &[u8], at: usize) -> Option<Secret> {
    let rest = bytes.get(at + b"-----BEGIN ".len()..)?;
    let label_end = find(&rest[..rest.len().min(64)], b"-----")?;
    let (label, body) = (&rest[..label_end], &rest[label_end + 5..]);
    if !label.ends_with(b"PRIVATE KEY") && label != b"PGP PRIVATE KEY BLOCK" {
        return None;
    }
    let body = &body[..body.len().min(LONGEST)];
    let body = &body[..find(body, b"-----").unwrap_or(body.len())];
    let key = characters(body);
    let format = match label {
        b"PGP PRIVATE KEY BLOCK" => KeyFormat::Pgp,
        b"OPENSSH PRIVATE KEY" => KeyFormat::OpenSsh,
        _ => KeyFormat::Pem,
    };
    let begins = match format {
        // The first packet is a secret key, in the old or the new format.
        KeyFormat::Pgp => key.starts_with(b"l") || key.starts_with(b"x"),
        KeyFormat::OpenSsh => key.starts_with(b"b3BlbnNzaC1rZXktdj"),
        // A sequence of ASN.1; what is encrypted in the old way begins with anything.
        _ => {
            find(body, b"ENCRYPTED").is_some()
                || (key.starts_with(b"M")
                    && key.get(1).is_some_and(|byte| (b'A'..=b'P').contains(byte)))
        }
    };
    (begins && is_key(&key)).then_some(Secret::PrivateKey(format))
}

pub(super) fn ssh2(bytes: &[u8], at: usize) -> Option<Secret> {
    let body = bytes.get(at + b"---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----".len()..)?;
    let body = &body[..body.len().min(LONGEST)];
    let body = &body[..find(body, b"----").unwrap_or(body.len())];
    is_key(&characters(body)).then_some(Secret::PrivateKey(KeyFormat::Ssh2))
}

/// Begins its file, and has a part that says so.
pub(super) fn putty(bytes: &[u8], at: usize) -> Option<Secret> {
    if !bytes[..at].iter().all(u8::is_ascii_whitespace) {
        return None;
    }
    let private = bytes.get(find(bytes, b"Private-Lines:")?..)?;
    is_key(&characters(private)).then_some(Secret::PrivateKey(KeyFormat::Putty))
}

/// 32 bytes in the characters of bech32, with six more to check them.
pub(super) fn age(bytes: &[u8], at: usize) -> Option<Secret> {
    let rest = bytes.get(at + b"AGE-SECRET-KEY-1".len()..)?;
    let is_character = |byte: &&u8| b"QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L".contains(*byte);
    let length = rest.iter().take_while(is_character).count();
    (length == 58 && different(&rest[..length]) >= DIFFERENT)
        .then_some(Secret::PrivateKey(KeyFormat::Age))
}

/// Those of base64 in runs as long as lines are: headers, quotes, and the `\n` of strings fall out.
fn characters(body: &[u8]) -> Vec<u8> {
    let mut characters = Vec::new();
    let mut run = Vec::new();
    let mut rest = body.iter().copied().peekable();
    let keep = |run: &mut Vec<u8>, characters: &mut Vec<u8>| {
        if run.len() >= LINE {
            characters.append(run);
        }
        run.clear();
    };
    while let Some(byte) = rest.next() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/') {
            run.push(byte);
            continue;
        }
        keep(&mut run, &mut characters);
        if byte == b'\\' {
            rest.next_if(|next| matches!(next, b'n' | b'r' | b't'));
        }
    }
    keep(&mut run, &mut characters);
    characters
}

fn is_key(characters: &[u8]) -> bool {
    characters.len() >= LEAST && different(characters) >= DIFFERENT
}

pub(super) fn different(bytes: &[u8]) -> usize {
    let mut seen = [false; 256];
    for byte in bytes {
        seen[usize::from(*byte)] = true;
    }
    seen.iter().filter(|seen| **seen).count()
}

fn find(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    memchr::memmem::find(bytes, needle)
}
