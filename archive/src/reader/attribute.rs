//! Extended attributes in PAX headers: as they are behind `SCHILY.xattr.`, and with a quoted name and a
//! value in base 64 behind `LIBARCHIVE.xattr.`. Some writers write both; then they have to be the same.

use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};

use crate::Attributes;

/// What the kernel takes.
const NAME: usize = 255;
const VALUE: usize = 64 << 10;

/// Whether the key is one of an attribute; `None` where it makes no sense.
pub(super) fn take(attributes: &mut Attributes, key: &[u8], value: &[u8]) -> Option<bool> {
    let (name, value) = if let Some(name) = key.strip_prefix(b"SCHILY.xattr.") {
        (plain(name)?, value.to_vec())
    } else if let Some(name) = key.strip_prefix(b"LIBARCHIVE.xattr.") {
        // With and without what fills it up.
        let end = value.iter().rposition(|&byte| byte != b'=').map_or(0, |last| last + 1);
        (unquoted(name)?, STANDARD_NO_PAD.decode(&value[..end]).ok()?)
    } else {
        return Some(false);
    };
    if name.is_empty() || name.len() > NAME || name.contains(&0) || value.len() > VALUE {
        return None;
    }
    let value = value.into_boxed_slice();
    match attributes.insert(name.into(), value.clone()) {
        Some(other) if other != value => None,
        _ => Some(true),
    }
}

/// GNU tar writes `=` as `%3D`, which no key can hold, and then `%` as `%25`.
fn plain(name: &[u8]) -> Option<Vec<u8>> {
    let holds = |code: &[u8]| name.windows(3).any(|part| part == code);
    match (holds(b"%3D"), holds(b"%25")) {
        (false, false) => Some(name.to_vec()),
        // Whether that is a quoted `%`, readers do not agree on.
        (false, true) => None,
        (true, _) => unquoted(name),
    }
}

/// `%20` is a blank.
fn unquoted(name: &[u8]) -> Option<Vec<u8>> {
    let mut plain = Vec::with_capacity(name.len());
    let mut bytes = name.iter();
    while let Some(&byte) = bytes.next() {
        let digit = |byte: &u8| char::from(*byte).to_digit(16);
        plain.push(match byte {
            b'%' => u8::try_from((digit(bytes.next()?)? << 4) | digit(bytes.next()?)?).ok()?,
            byte => byte,
        });
    }
    Some(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_read() {
        let check = |records: &[(&[u8], &[u8])], expected: Option<&[(&[u8], &[u8])]>| {
            let mut attributes = Attributes::new();
            let taken: Option<Vec<_>> =
                records.iter().map(|(key, value)| take(&mut attributes, key, value)).collect();
            let owned = |(name, value): &(&[u8], &[u8])| ((*name).into(), (*value).into());
            let expected = expected.map(|all| all.iter().map(owned).collect::<Attributes>());
            assert_eq!(taken.map(|_| attributes), expected, "{records:?}");
        };
        check(&[(b"SCHILY.xattr.user.a", b"\0\n=")], Some(&[(b"user.a", b"\0\n=")]));
        check(&[(b"SCHILY.xattr.user.a%3D%25", b"")], Some(&[(b"user.a=%", b"")]));
        check(&[(b"SCHILY.xattr.user.a%25", b"")], None);
        check(&[(b"SCHILY.xattr.user.a%20", b"")], Some(&[(b"user.a%20", b"")]));
        check(&[(b"LIBARCHIVE.xattr.user.a%20%25", b"Yg==")], Some(&[(b"user.a %", b"b")]));
        check(&[(b"LIBARCHIVE.xattr.user.a", b"Yg")], Some(&[(b"user.a", b"b")]));
        check(&[(b"LIBARCHIVE.xattr.user.a", b"")], Some(&[(b"user.a", b"")]));
        let both: &[(&[u8], &[u8])] =
            &[(b"SCHILY.xattr.user.a", b"b"), (b"LIBARCHIVE.xattr.user.a", b"Yg==")];
        check(both, Some(&[(b"user.a", b"b")]));
        check(&[both[0], (b"LIBARCHIVE.xattr.user.a", b"Yw==")], None);
        for (key, value) in [
            (&b"SCHILY.xattr."[..], &b""[..]),
            (b"LIBARCHIVE.xattr.user.%4", b""),
            (b"LIBARCHIVE.xattr.user.%zz", b""),
            (b"LIBARCHIVE.xattr.user.%00", b""),
            (b"LIBARCHIVE.xattr.user.a", b"?"),
            (b"SCHILY.xattr.user.a", &vec![0; VALUE + 1]),
            (&[&b"SCHILY.xattr.user."[..], &[b'a'; NAME]].concat(), b""),
        ] {
            check(&[(key, value)], None);
        }
        check(&[(b"comment", b"")], Some(&[]));
    }
}
