//! PAX headers: records of `LENGTH KEY=VALUE\n`, whose length counts all of itself.

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Pax {
    pub(super) path: Option<Vec<u8>>,
    pub(super) link: Option<Vec<u8>>,
    pub(super) size: Option<u64>,
    /// Whole seconds.
    pub(super) mtime: Option<i64>,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidPax {
    #[error("a record's length is wrong")]
    Length,
    #[error("a record has no key, or a zero byte in it")]
    Key,
    #[error("`{key}` stands twice")]
    Doubled { key: String },
    #[error("the value of `{key}` is not one that all readers agree on")]
    Value { key: String },
    #[error("`{key}` makes readers disagree and is not taken")]
    Refused { key: String },
}

impl Pax {
    pub(super) fn parse(payload: &[u8]) -> Result<Self, InvalidPax> {
        let mut pax = Self::default();
        let mut seen: Vec<&[u8]> = Vec::new();
        for record in (Records { rest: payload }) {
            let (key, value) = record?;
            let named = || String::from_utf8_lossy(key).chars().take(64).collect::<String>();
            if seen.contains(&key) {
                return Err(InvalidPax::Doubled { key: named() });
            }
            seen.push(key);
            let wrong = || InvalidPax::Value { key: named() };
            match key {
                b"path" => pax.path = Some(name(value).ok_or_else(wrong)?),
                b"linkpath" => pax.link = Some(name(value).ok_or_else(wrong)?),
                b"size" => pax.size = Some(decimal(value).ok_or_else(wrong)?),
                b"mtime" => pax.mtime = Some(seconds(value).ok_or_else(wrong)?),
                // Checked, for a reader that cannot read them goes another way; not used.
                b"atime" | b"ctime" => drop(seconds(value).ok_or_else(wrong)?),
                b"uid" | b"gid" => drop(decimal(value).ok_or_else(wrong)?),
                b"uname" | b"gname" | b"comment" => {
                    if value.contains(&0) {
                        return Err(wrong());
                    }
                }
                _ if has_no_say(key) => {}
                _ => return Err(InvalidPax::Refused { key: named() }),
            }
        }
        Ok(pax)
    }
}

/// Of headers for all members that follow only what changes none of them is taken, as git writes.
pub(super) fn check_global(payload: &[u8]) -> Result<(), InvalidPax> {
    for record in (Records { rest: payload }) {
        let (key, _) = record?;
        if key != b"comment" {
            let key = String::from_utf8_lossy(key).chars().take(64).collect();
            return Err(InvalidPax::Refused { key });
        }
    }
    Ok(())
}

/// Extended attributes, ACLs and inode facts, which are dropped here.
fn has_no_say(key: &[u8]) -> bool {
    [&b"SCHILY.xattr."[..], b"SCHILY.acl.", b"LIBARCHIVE.xattr.", b"RHT.security."]
        .iter()
        .any(|prefix| key.starts_with(prefix))
        || matches!(
            key,
            b"SCHILY.dev"
                | b"SCHILY.ino"
                | b"SCHILY.nlink"
                | b"SCHILY.fflags"
                | b"LIBARCHIVE.creationtime"
        )
}

struct Records<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<(&'a [u8], &'a [u8]), InvalidPax>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let record = split(self.rest);
        match record {
            Ok((key, value, rest)) => {
                self.rest = rest;
                Some(Ok((key, value)))
            }
            Err(error) => {
                self.rest = b"";
                Some(Err(error))
            }
        }
    }
}

type Record<'a> = (&'a [u8], &'a [u8], &'a [u8]);

fn split(payload: &[u8]) -> Result<Record<'_>, InvalidPax> {
    let blank = payload.iter().take(8).position(|&byte| byte == b' ').ok_or(InvalidPax::Length)?;
    let length = decimal(&payload[..blank]).filter(|_| payload[0] != b'0');
    let length =
        length.and_then(|length| usize::try_from(length).ok()).ok_or(InvalidPax::Length)?;
    if length > payload.len() || length < blank + 2 || payload[length - 1] != b'\n' {
        return Err(InvalidPax::Length);
    }
    let (record, rest) = payload.split_at(length);
    let record = &record[blank + 1..length - 1];
    let equals = record.iter().position(|&byte| byte == b'=').ok_or(InvalidPax::Key)?;
    let (key, value) = (&record[..equals], &record[equals + 1..]);
    if key.is_empty() || key.contains(&0) {
        return Err(InvalidPax::Key);
    }
    Ok((key, value, rest))
}

fn name(value: &[u8]) -> Option<Vec<u8>> {
    (!value.is_empty() && !value.contains(&0)).then(|| value.to_vec())
}

fn decimal(value: &[u8]) -> Option<u64> {
    if value.is_empty() || value.len() > 19 || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number: u64 = std::str::from_utf8(value).ok()?.parse().ok()?;
    (i64::try_from(number).is_ok()).then_some(number)
}

/// `-12.345`, of which the fraction is dropped.
fn seconds(value: &[u8]) -> Option<i64> {
    let (is_negative, value) = match value.split_first() {
        Some((b'-', rest)) => (true, rest),
        _ => (false, value),
    };
    let mut parts = value.splitn(2, |&byte| byte == b'.');
    let whole = i64::try_from(decimal(parts.next()?)?).ok()?;
    let fraction = parts.next().unwrap_or_default();
    if fraction.len() > 18 || !fraction.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(if is_negative { -whole } else { whole })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(payload: &[u8], expected: &Result<Pax, InvalidPax>) {
        assert_eq!(&Pax::parse(payload), expected, "{}", String::from_utf8_lossy(payload));
    }

    #[test]
    fn records_are_read() {
        let pax = |path: &[u8]| Pax { path: Some(path.to_vec()), ..Pax::default() };
        check(b"", &Ok(Pax::default()));
        check(b"10 path=a\n", &Ok(pax(b"a")));
        check(b"12 path=a=b\n", &Ok(pax(b"a=b")));
        check(b"12 path=a\nb\n", &Ok(pax(b"a\nb")));
        let timed = Pax { mtime: Some(-12), size: Some(7), ..Pax::default() };
        check(b"16 mtime=-12.50\n10 size=7\n", &Ok(timed));
        check(b"25 SCHILY.xattr.user.a=\0\n", &Ok(Pax::default()));
    }

    #[test]
    fn all_else_is_refused() {
        for payload in [
            &b"8 path=a\n"[..],
            b"11 path=a\n",
            b"010 path=a\n",
            b"+10 path=a\n",
            b"10 path=ab",
            b"999999999999 path=a\n",
        ] {
            check(payload, &Err(InvalidPax::Length));
        }
        check(b"6 =ab\n", &Err(InvalidPax::Key));
        check(b"3 \n", &Err(InvalidPax::Key));
        check(b"6 abc\n", &Err(InvalidPax::Key));
        check(b"10 path=a\n10 path=b\n", &Err(InvalidPax::Doubled { key: "path".into() }));
        check(b"8 path=\n", &Err(InvalidPax::Value { key: "path".into() }));
        check(b"12 path=a\0b\n", &Err(InvalidPax::Value { key: "path".into() }));
        check(b"11 size=-1\n", &Err(InvalidPax::Value { key: "size".into() }));
        let key = "GNU.sparse.major".to_owned();
        check(b"22 GNU.sparse.major=1\n", &Err(InvalidPax::Refused { key }));
        check(b"21 hdrcharset=BINARY\n", &Err(InvalidPax::Refused { key: "hdrcharset".into() }));
        assert!(check_global(b"16 comment=abcd\n").is_ok());
        assert!(check_global(b"10 path=a\n").is_err());
    }
}
