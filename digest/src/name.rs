//! A digest as the name of what it was taken of.

use std::{
    fmt,
    fs::File,
    io::{self, Read as _},
    path::Path,
    str::FromStr,
};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{Hasher, InvalidDigest, Uuid};

const BYTES: usize = 32;
const HALF: usize = BYTES / 2;
const CHUNK: usize = 1 << 20;

/// Displays as `sha256:` and 64 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Digest([u8; BYTES]);

impl Digest {
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    pub fn of_file(path: &Path) -> io::Result<Self> {
        let mut file = File::open(path)?;
        let mut hasher = Hasher::default();
        let mut buffer = vec![0; CHUNK];
        loop {
            match file.read(&mut buffer) {
                Ok(0) => return Ok(hasher.finish()),
                Ok(count) => hasher.update(&buffer[..count]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// The digits alone: names of files.
    pub fn hex(&self) -> String {
        let digit = |nibble: u8| char::from_digit(nibble.into(), 16).unwrap_or_default();
        self.0.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
    }

    /// By the digits alone.
    pub fn from_hex(hex: &str) -> Result<Self, InvalidDigest> {
        let digit = |digit: u8| match digit {
            b'0'..=b'9' => Ok(digit - b'0'),
            b'a'..=b'f' => Ok(digit - b'a' + 10),
            _ => Err(InvalidDigest::Malformed),
        };
        let mut bytes = [0; BYTES];
        if hex.len() != 2 * BYTES {
            return Err(InvalidDigest::Malformed);
        }
        for (byte, [high, low]) in bytes.iter_mut().zip(hex.as_bytes().as_chunks().0) {
            *byte = digit(*high)? << 4 | digit(*low)?;
        }
        Ok(Self(bytes))
    }

    pub fn bytes(&self) -> &[u8; BYTES] {
        &self.0
    }

    pub fn from_bytes(bytes: [u8; BYTES]) -> Self {
        Self(bytes)
    }

    /// Of its first half: for a file system whose identity follows its content.
    pub fn uuid(&self) -> Uuid {
        Uuid::of(self.half(0))
    }

    /// Of its second half, which says nothing of the first.
    pub fn second_uuid(&self) -> Uuid {
        Uuid::of(self.half(HALF))
    }

    fn half(&self, from: usize) -> [u8; HALF] {
        let mut half = [0; HALF];
        half.copy_from_slice(&self.0[from..from + HALF]);
        half
    }
}

impl FromStr for Digest {
    type Err = InvalidDigest;

    fn from_str(text: &str) -> Result<Self, InvalidDigest> {
        match text.split_once(':') {
            Some(("sha256", hex)) => Self::from_hex(hex),
            Some((algorithm @ ("sha512" | "sha384" | "blake3"), _)) => {
                Err(InvalidDigest::Algorithm { algorithm: algorithm.to_owned() })
            }
            _ => Err(InvalidDigest::Malformed),
        }
    }
}

impl TryFrom<String> for Digest {
    type Error = InvalidDigest;

    fn try_from(text: String) -> Result<Self, InvalidDigest> {
        text.parse()
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.to_string()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "sha256:{}", self.hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn displays_as_it_parses() {
        let digest = Digest::of(b"abc");
        assert_eq!((digest.to_string().as_str(), TEXT.parse()), (TEXT, Ok(digest)));
        assert_eq!(
            (format!("{digest:?}").as_str(), Digest::from_hex(&TEXT[7..])),
            (TEXT, Ok(digest))
        );
        let json = serde_json::to_string(&digest).unwrap();
        assert_eq!(json, format!("\"{TEXT}\""));
        assert_eq!(serde_json::from_str::<Digest>(&json).unwrap(), digest);
        assert!(serde_json::from_str::<Digest>("\"sha256:\"").is_err());
    }

    #[test]
    fn what_is_no_digest_is_refused() {
        let hex = "a".repeat(64);
        let upper = format!("sha256:{}", hex.to_uppercase());
        let signed = format!("sha256:+f{}", &hex[2..]);
        let wide = format!("sha256:\u{e4}{}", &hex[2..]);
        for text in [
            hex.clone(),
            format!("sha256:{hex}0"),
            format!("sha256:{}", &hex[1..]),
            format!("Sha256:{hex}"),
            upper,
            signed,
            wide,
            "sha256:".to_owned(),
            String::new(),
        ] {
            assert_eq!(text.parse::<Digest>(), Err(InvalidDigest::Malformed), "{text}");
        }
        let sha512 = format!("sha512:{hex}{hex}").parse::<Digest>();
        assert_eq!(sha512, Err(InvalidDigest::Algorithm { algorithm: "sha512".to_owned() }));
    }

    #[test]
    fn a_digest_is_the_same_however_the_bytes_come() {
        let bytes = vec![7; CHUNK + 5];
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), &bytes).unwrap();
        let mut hasher = Hasher::default();
        bytes.chunks(1000).for_each(|chunk| hasher.update(chunk));
        let expected = Digest::of(&bytes);
        assert_eq!((Digest::of_file(file.path()).unwrap(), hasher.finish()), (expected, expected));
        assert_eq!(Hasher::default().finish(), Digest::of(b""));
    }

    #[test]
    fn its_halves_are_uuids() {
        let digest = Digest::of(b"abc");
        assert_eq!(digest.uuid().to_string(), "ba7816bf-8f01-8fea-8141-40de5dae2223");
        assert_eq!(digest.second_uuid().to_string(), "b00361a3-9617-8a9c-b410-ff61f20015ad");
    }
}
