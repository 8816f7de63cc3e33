//! A lockfile read back, strictly: what it allows is what somebody reviewed.

use std::str::FromStr;

use super::{HEADER, Lock, VERSION, line};
use crate::policy::{InvalidRule, MAX_RULES, Rule};

pub const MAX_BYTES: usize = 1 << 20;

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidLock {
    #[error("it is no egress lockfile: its first line is not `{HEADER}{VERSION}`")]
    Foreign,
    #[error("it has version {0:?}, and this kiln knows version {VERSION}; use a newer kiln")]
    Version(String),
    #[error("line {number}, {text:?}, cannot be used")]
    Line { number: usize, text: String, source: InvalidRule },
    #[error("line {number}, {text:?}, leaves the port or the protocol out; write {rule}")]
    Short { number: usize, text: String, rule: String },
    #[error("line {number}, {text:?}, stands there already")]
    Duplicate { number: usize, text: String },
    #[error("it has more than {MAX_RULES} rules")]
    TooMany,
    #[error("it is longer than {MAX_BYTES} bytes")]
    TooLong,
}

impl FromStr for Lock {
    type Err = InvalidLock;

    fn from_str(text: &str) -> Result<Self, InvalidLock> {
        if text.len() > MAX_BYTES {
            return Err(InvalidLock::TooLong);
        }
        let mut lines = text.lines().enumerate();
        let first = lines.next().map(|(_, line)| line).unwrap_or_default();
        match first.strip_prefix(HEADER) {
            Some(VERSION) => {}
            Some(other) => return Err(InvalidLock::Version(other.chars().take(32).collect())),
            None => return Err(InvalidLock::Foreign),
        }
        let mut lock = Self::default();
        for (at, text) in lines {
            let rule = text.trim_end();
            if !rule.is_empty() && !rule.starts_with('#') {
                lock.take(at + 1, rule)?;
            }
        }
        Ok(lock)
    }
}

impl Lock {
    fn take(&mut self, number: usize, text: &str) -> Result<(), InvalidLock> {
        let shown = || text.chars().take(300).collect::<String>();
        let rule: Rule =
            text.parse().map_err(|source| InvalidLock::Line { number, text: shown(), source })?;
        let (pattern, port, protocol) = line(&rule);
        let written = format!("{pattern}:{port}/{protocol}");
        if written != text {
            return Err(InvalidLock::Short { number, text: shown(), rule: written });
        }
        if self.rules.contains_key(&line(&rule)) {
            return Err(InvalidLock::Duplicate { number, text: shown() });
        }
        if self.rules.len() == MAX_RULES {
            return Err(InvalidLock::TooMany);
        }
        self.insert(rule);
        Ok(())
    }
}
