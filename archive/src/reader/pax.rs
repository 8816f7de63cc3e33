//! PAX headers: records of `LENGTH KEY=VALUE\n`, whose length counts all of itself.

use std::collections::BTreeSet;

use super::{attribute, records::Holes};
use crate::{Attributes, Dialect, Time};

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Pax {
    pub(super) path: Option<Vec<u8>>,
    pub(super) link: Option<Vec<u8>>,
    pub(super) size: Option<u64>,
    pub(super) mtime: Option<Time>,
    pub(super) user: Option<i64>,
    pub(super) group: Option<i64>,
    pub(super) attributes: Attributes,
    pub(super) holes: Option<Holes>,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPax {
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
    pub(super) fn parse(payload: &[u8], dialect: Dialect) -> Result<Self, InvalidPax> {
        let mut pax = Self::default();
        let mut seen = BTreeSet::new();
        for record in (Records { rest: payload }) {
            let (key, value) = record?;
            let may_repeat = dialect.takes_pax_holes()
                && matches!(key, b"GNU.sparse.offset" | b"GNU.sparse.numbytes");
            let is_new = seen.insert(key);
            if !is_new && !may_repeat {
                return Err(InvalidPax::Doubled { key: named(key) });
            }
            pax.take(key, value, dialect)?;
        }
        // Which of them counts, readers do not agree on.
        let has_two_names = pax.holes.as_ref().is_some_and(|holes| holes.name.is_some());
        if has_two_names && pax.path.is_some() {
            return Err(InvalidPax::Doubled { key: "path".to_owned() });
        }
        Ok(pax)
    }

    fn take(&mut self, key: &[u8], value: &[u8], dialect: Dialect) -> Result<(), InvalidPax> {
        let wrong = || InvalidPax::Value { key: named(key) };
        let number = |value| decimal(value).and_then(|number| i64::try_from(number).ok());
        match key {
            b"path" => self.path = Some(name(value).ok_or_else(wrong)?),
            b"linkpath" => self.link = Some(name(value).ok_or_else(wrong)?),
            b"size" => self.size = Some(decimal(value).ok_or_else(wrong)?),
            b"mtime" => self.mtime = Some(Time::parse(value).ok_or_else(wrong)?),
            b"uid" => self.user = Some(number(value).ok_or_else(wrong)?),
            b"gid" => self.group = Some(number(value).ok_or_else(wrong)?),
            // Checked, for a reader that cannot read them goes another way; not used.
            b"atime" | b"ctime" => drop(Time::parse(value).ok_or_else(wrong)?),
            b"uname" | b"gname" | b"comment" => {
                if value.contains(&0) {
                    return Err(wrong());
                }
            }
            // Names are bytes here in any case.
            b"hdrcharset" if dialect == Dialect::Layer && value == b"BINARY" => {}
            _ if dialect.takes_attributes() && key.starts_with(b"SCHILY.acl.") => {
                return Err(InvalidPax::Refused { key: named(key) });
            }
            _ if dialect.takes_attributes()
                && attribute::take(&mut self.attributes, key, value).ok_or_else(wrong)? => {}
            _ if has_no_say(key) => {}
            _ => match key.strip_prefix(b"GNU.sparse.") {
                Some(key) if dialect.takes_pax_holes() => {
                    self.holes.get_or_insert_default().take(key, value).ok_or_else(wrong)?;
                }
                _ => return Err(InvalidPax::Refused { key: named(key) }),
            },
        }
        Ok(())
    }
}

fn named(key: &[u8]) -> String {
    String::from_utf8_lossy(key).chars().take(64).collect()
}

/// Of headers for all members that follow only what changes none of them is taken, as git writes.
pub(super) fn check_global(payload: &[u8]) -> Result<(), InvalidPax> {
    for record in (Records { rest: payload }) {
        let (key, _) = record?;
        if key != b"comment" {
            return Err(InvalidPax::Refused { key: named(key) });
        }
    }
    Ok(())
}

/// Extended attributes and ACLs where they are not taken, and inode facts.
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

pub(super) fn name(value: &[u8]) -> Option<Vec<u8>> {
    (!value.is_empty() && !value.contains(&0)).then(|| value.to_vec())
}

pub(crate) fn decimal(value: &[u8]) -> Option<u64> {
    if value.is_empty() || value.len() > 19 || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number: u64 = std::str::from_utf8(value).ok()?.parse().ok()?;
    (i64::try_from(number).is_ok()).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(payload: &[u8], expected: &Result<Pax, InvalidPax>) {
        assert_eq!(
            &Pax::parse(payload, Dialect::Output),
            expected,
            "{}",
            String::from_utf8_lossy(payload)
        );
    }

    #[test]
    fn records_are_read() {
        let pax = |path: &[u8]| Pax { path: Some(path.to_vec()), ..Pax::default() };
        check(b"", &Ok(Pax::default()));
        check(b"10 path=a\n", &Ok(pax(b"a")));
        check(b"12 path=a=b\n", &Ok(pax(b"a=b")));
        check(b"12 path=a\nb\n", &Ok(pax(b"a\nb")));
        let mtime = Some(Time { seconds: -13, nanoseconds: 500_000_000 });
        let timed = Pax { mtime, size: Some(7), ..Pax::default() };
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
