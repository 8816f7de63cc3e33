//! What comes before a build and is kept with nothing: bytes in memory, until the build's end.

use std::{collections::BTreeMap, fmt};

use kiln_proto::agent::{
    MAX_BUILD_PART_BYTES, MAX_BUILD_PARTS_BYTES,
    v1::{BuildPart, build_part::Kind},
};

/// More than a build has ever named.
const MAX_NAMES: usize = 256;
const MAX_NAME_BYTES: usize = 256;

/// By their names. Its `Debug` shows lengths only.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Parts {
    pub(crate) secrets: BTreeMap<String, Vec<u8>>,
    pub(crate) ssh_keys: BTreeMap<String, Vec<u8>>,
    pub(crate) dockerfile: Option<Vec<u8>>,
    pub(crate) ignore: Option<Vec<u8>>,
    pub(super) bytes: usize,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidPart {
    #[error("a part is of kind {0}, which there is not")]
    Kind(i32),
    #[error("a part is longer than {MAX_BUILD_PART_BYTES} bytes")]
    TooLong,
    #[error("all parts together are longer than {MAX_BUILD_PARTS_BYTES} bytes")]
    TooLongTogether,
    #[error("parts of more than {MAX_NAMES} names")]
    TooMany,
    #[error(
        "{0:?} is not a name of 1 to {MAX_NAME_BYTES} printable characters without commas, quotes \
         and equals signs"
    )]
    Name(String),
    #[error("the Dockerfile and its .dockerignore have no name")]
    Named,
}

impl Parts {
    /// Pieces of one name are joined.
    pub(crate) fn take(&mut self, part: BuildPart) -> Result<(), InvalidPart> {
        let BuildPart { kind, name, data } = part;
        if data.len() > MAX_BUILD_PART_BYTES {
            return Err(InvalidPart::TooLong);
        }
        if self.bytes + data.len() > MAX_BUILD_PARTS_BYTES {
            return Err(InvalidPart::TooLongTogether);
        }
        let file = match Kind::try_from(kind) {
            Ok(Kind::Secret) => Self::named(&mut self.secrets, name)?,
            Ok(Kind::SshKey) => Self::named(&mut self.ssh_keys, name)?,
            Ok(Kind::Dockerfile) if name.is_empty() => self.dockerfile.get_or_insert_default(),
            Ok(Kind::Ignore) if name.is_empty() => self.ignore.get_or_insert_default(),
            Ok(Kind::Dockerfile | Kind::Ignore) => return Err(InvalidPart::Named),
            Ok(Kind::Unspecified) | Err(_) => return Err(InvalidPart::Kind(kind)),
        };
        self.bytes += data.len();
        file.extend_from_slice(&data);
        Ok(())
    }

    fn named(
        files: &mut BTreeMap<String, Vec<u8>>,
        name: String,
    ) -> Result<&mut Vec<u8>, InvalidPart> {
        if !is_name(&name) {
            return Err(InvalidPart::Name(name));
        }
        if files.len() >= MAX_NAMES && !files.contains_key(&name) {
            return Err(InvalidPart::TooMany);
        }
        Ok(files.entry(name).or_default())
    }
}

/// What stands in a row of `KEY=VALUE,…` as it is.
pub(super) fn is_name(name: &str) -> bool {
    let usual = |byte: u8| byte.is_ascii_graphic() && !b",\"'=\\".contains(&byte);
    (1..=MAX_NAME_BYTES).contains(&name.len()) && name.bytes().all(usual)
}

impl fmt::Debug for Parts {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Parts").field("bytes", &self.bytes).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(kind: Kind, name: &str, data: &[u8]) -> BuildPart {
        BuildPart { kind: kind.into(), name: name.into(), data: data.to_vec().into() }
    }

    #[test]
    fn pieces_of_one_name_are_joined() {
        let mut parts = Parts::default();
        for (kind, name, data) in [
            (Kind::Secret, "a", "on"),
            (Kind::Secret, "b", ""),
            (Kind::SshKey, "a", "key"),
            (Kind::Secret, "a", "e"),
            (Kind::Dockerfile, "", "FROM "),
            (Kind::Dockerfile, "", "scratch"),
        ] {
            parts.take(part(kind, name, data.as_bytes())).unwrap();
        }
        assert_eq!(parts.secrets["a"], b"one");
        assert_eq!(parts.secrets["b"], b"");
        assert_eq!(parts.ssh_keys["a"], b"key");
        assert_eq!(parts.dockerfile.as_deref(), Some(&b"FROM scratch"[..]));
        assert_eq!(parts.ignore, None);
        assert!(!format!("{parts:?}").contains("one"));
    }

    #[test]
    fn parts_are_bounded() {
        let mut parts = Parts::default();
        let refused = |parts: &mut Parts, part| parts.take(part).unwrap_err();
        let long = vec![0; MAX_BUILD_PART_BYTES + 1];
        assert_eq!(refused(&mut parts, part(Kind::Secret, "a", &long)), InvalidPart::TooLong);
        for _ in 0..MAX_BUILD_PARTS_BYTES / MAX_BUILD_PART_BYTES {
            parts.take(part(Kind::Secret, "a", &long[1..])).unwrap();
        }
        let over = part(Kind::Dockerfile, "", b"x");
        assert_eq!(refused(&mut parts, over), InvalidPart::TooLongTogether);
        for name in ["", "a,b", "a=b", "a b", "a\"", &"x".repeat(MAX_NAME_BYTES + 1)] {
            let named = refused(&mut parts, part(Kind::Secret, name, b""));
            assert_eq!(named, InvalidPart::Name(name.to_owned()));
        }
        assert_eq!(refused(&mut parts, part(Kind::Ignore, "a", b"")), InvalidPart::Named);
        assert_eq!(refused(&mut parts, part(Kind::Unspecified, "", b"")), InvalidPart::Kind(0));
        for number in 0..MAX_NAMES {
            parts.take(part(Kind::SshKey, &number.to_string(), b"")).unwrap();
        }
        assert_eq!(refused(&mut parts, part(Kind::SshKey, "more", b"")), InvalidPart::TooMany);
    }
}
