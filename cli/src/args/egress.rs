//! `--egress none|internet|record|locked|allow=NAME[:PORT][/PROTOCOL],…|@FILE`.

use std::{ffi::OsStr, path::PathBuf, str::FromStr};

use clap::{
    Arg, Command,
    builder::{PossibleValue, TypedValueParser},
    error::{ContextKind, ContextValue, ErrorKind},
};
use kiln_net::policy::{InvalidPolicy, Policy};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Egress {
    Policy(Policy),
    /// What the lockfile allows.
    Locked,
    /// A rule a line; nobody has looked yet.
    Rules(PathBuf),
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidEgress {
    #[error("no file is named; write @FILE, with a rule NAME[:PORT][/PROTOCOL] a line")]
    NoFile,
    #[error("write none, internet, record, locked, allow=NAME[:PORT][/PROTOCOL],… or @FILE")]
    Unknown,
    /// With its cause, for the command line shows one line.
    #[error("{}", .0.in_words())]
    Policy(InvalidPolicy),
}

impl FromStr for Egress {
    type Err = InvalidEgress;

    fn from_str(text: &str) -> Result<Self, InvalidEgress> {
        match (text, text.strip_prefix('@')) {
            ("locked", _) => Ok(Self::Locked),
            (_, Some("")) => Err(InvalidEgress::NoFile),
            (_, Some(file)) => Ok(Self::Rules(file.into())),
            _ => match text.parse() {
                Ok(policy) => Ok(Self::Policy(policy)),
                Err(InvalidPolicy::Unknown(_)) => Err(InvalidEgress::Unknown),
                Err(error) => Err(InvalidEgress::Policy(error)),
            },
        }
    }
}

impl Egress {
    pub(super) fn parser() -> impl TypedValueParser<Value = Self> {
        Words
    }
}

/// Knows the words that are whole, for completions.
#[derive(Clone, Copy, Debug)]
struct Words;

impl TypedValueParser for Words {
    type Value = Egress;

    fn parse_ref(
        &self,
        command: &Command,
        argument: Option<&Arg>,
        value: &OsStr,
    ) -> Result<Egress, clap::Error> {
        let told = match value.to_str().map(str::parse) {
            Some(Ok(egress)) => return Ok(egress),
            Some(Err(InvalidEgress::Unknown)) | None => InvalidEgress::Unknown.to_string(),
            Some(Err(error)) => error.to_string(),
        };
        let name = argument.map(ToString::to_string).unwrap_or_default();
        let shown: String = value.to_string_lossy().chars().take(300).collect();
        let text = format!("invalid value '{shown}' for '{name}': {told}\n");
        let mut error = clap::Error::raw(ErrorKind::ValueValidation, text).with_cmd(command);
        error.insert(ContextKind::InvalidValue, ContextValue::String(shown));
        Err(error)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        let words = [
            ("none", "nothing"),
            ("internet", "everything but private addresses and the host"),
            ("record", "every name; what was reached is written to the lockfile"),
            ("locked", "what stands in the lockfile"),
        ];
        Some(Box::new(words.into_iter().map(|(word, help)| PossibleValue::new(word).help(help))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_files_and_the_lock() {
        let check = |text: &str, expected: Egress| assert_eq!(text.parse(), Ok(expected), "{text}");
        check("none", Egress::Policy(Policy::None));
        check("internet", Egress::Policy(Policy::Internet));
        check("record", Egress::Policy(Policy::Record));
        check("locked", Egress::Locked);
        check("@rules", Egress::Rules("rules".into()));
        check("@allow=x", Egress::Rules("allow=x".into()));
        let rules = "allow=*.two.test:22/tcp,one.test:443/tls";
        check("allow=one.test,*.two.test:22/tcp", Egress::Policy(rules.parse().unwrap()));
    }

    #[test]
    fn all_else_says_what_to_write() {
        let check = |text: &str, words: &str| {
            let told = text.parse::<Egress>().unwrap_err().to_string();
            assert!(told.contains(words), "{text}: {told}");
        };
        check("", "locked, allow=NAME");
        check("all", "write none, internet, record, locked");
        check("lock", "locked");
        check("@", "write @FILE");
        check("allow=", "names nothing");
        check("allow=1.2.3.4", "name the host");
        check("allow=one.test:0", "1 to 65535");
        check("allow=one.test/quic", "/udp");
        check("allow=one.test,ONE.test", "stands there already");
    }
}
