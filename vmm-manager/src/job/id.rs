//! Job ids: ULIDs in lower case, so that they sort by the time of their making.

use std::{fmt, str::FromStr, sync::Mutex};

use ulid::{Generator, Ulid};

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobId(String);

#[derive(Debug, thiserror::Error)]
#[error("{0:?} is not an id: 26 lower-case letters and digits")]
pub struct InvalidJobId(String);

impl JobId {
    /// A new id, greater than every earlier one of this process.
    pub fn generate() -> Self {
        static GENERATOR: Mutex<Option<Generator>> = Mutex::new(None);
        let mut generator = GENERATOR.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        // The generator runs dry only after 2^80 ids within one millisecond.
        let id = generator.get_or_insert_default().generate().unwrap_or_else(|_| Ulid::new());
        Self(id.to_string().to_ascii_lowercase())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The guest's hostname: short, and telling one job from another.
    pub fn hostname(&self) -> String {
        format!("kiln-{}", &self.0[self.0.len() - 8..])
    }
}

impl FromStr for JobId {
    type Err = InvalidJobId;

    fn from_str(text: &str) -> Result<Self, InvalidJobId> {
        let invalid = || InvalidJobId(text.chars().take(64).collect());
        if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Err(invalid());
        }
        Ulid::from_string(&text.to_ascii_uppercase()).map_err(|_| invalid())?;
        Ok(Self(text.to_owned()))
    }
}

/// What an upload is found by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceId(JobId);

impl SourceId {
    pub fn generate() -> Self {
        Self(JobId::generate())
    }

    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl FromStr for SourceId {
    type Err = InvalidJobId;

    fn from_str(text: &str) -> Result<Self, InvalidJobId> {
        text.parse().map(Self)
    }
}

impl fmt::Display for SourceId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_rise_and_read_back() {
        let ids: Vec<_> = (0..1000).map(|_| JobId::generate()).collect();
        assert!(ids.windows(2).all(|pair| pair[0] < pair[1]));
        assert_eq!(ids[0].as_str().parse::<JobId>().unwrap(), ids[0]);
    }

    #[test]
    fn what_is_no_id_is_refused() {
        for text in ["", "x", "../../etc/passwd", "01JD000000000000000000000A", &"0".repeat(500)] {
            assert!(text.parse::<JobId>().is_err(), "{text}");
        }
    }
}
