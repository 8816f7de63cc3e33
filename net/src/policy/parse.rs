//! Policies as they are written: `none`, `internet`, `record`, `allow=RULE,…`, or a rule a line.

use std::{collections::BTreeSet, fmt, str::FromStr};

use super::{InvalidRule, Policy, Rule};

pub const MAX_RULES: usize = 1000;
/// Of all rules together, with what stands between them.
pub const MAX_TEXT_BYTES: usize = 1 << 20;

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPolicy {
    #[error("{0:?} is no egress policy; write none, internet, record or allow=NAME[:PORT],…")]
    Unknown(String),
    #[error("`allow` names nothing; write allow=NAME[:PORT],…, or none")]
    NoRules,
    #[error("rule {number}, {text:?}, cannot be used")]
    Rule { number: usize, text: String, source: InvalidRule },
    #[error("rule {number}, {rule}, stands there already; leave it out")]
    Duplicate { number: usize, rule: Rule },
    #[error("it has more than {MAX_RULES} rules; name a suffix, like *.one.test:443")]
    TooMany,
    #[error("it is longer than {MAX_TEXT_BYTES} bytes")]
    TooLong,
}

impl InvalidPolicy {
    /// In one line, with its cause.
    pub fn in_words(&self) -> String {
        match std::error::Error::source(self) {
            Some(source) => format!("{self}: {source}"),
            None => self.to_string(),
        }
    }
}

impl Policy {
    /// Of rules, in any order; kept in one order, so that equal policies are equal.
    pub fn allow<T: AsRef<str>>(rules: impl IntoIterator<Item = T>) -> Result<Self, InvalidPolicy> {
        let numbered = rules.into_iter().enumerate().map(|(at, text)| (at + 1, text));
        Self::of_numbered(numbered)
    }

    /// One rule a line; `#` begins a comment. Errors count lines.
    pub fn from_lines(text: &str) -> Result<Self, InvalidPolicy> {
        if text.len() > MAX_TEXT_BYTES {
            return Err(InvalidPolicy::TooLong);
        }
        let rule = |line: &'_ str| line.split('#').next().unwrap_or_default().trim().to_owned();
        let lines = text.lines().enumerate().map(|(at, line)| (at + 1, rule(line)));
        Self::of_numbered(lines.filter(|(_, rule)| !rule.is_empty()))
    }

    fn of_numbered<T: AsRef<str>>(
        rules: impl Iterator<Item = (usize, T)>,
    ) -> Result<Self, InvalidPolicy> {
        let mut taken = BTreeSet::new();
        for (number, text) in rules {
            if taken.len() == MAX_RULES {
                return Err(InvalidPolicy::TooMany);
            }
            let text = text.as_ref();
            let rule: Rule = text.parse().map_err(|source| InvalidPolicy::Rule {
                number,
                text: text.chars().take(300).collect(),
                source,
            })?;
            if let Some(rule) = taken.replace(rule) {
                return Err(InvalidPolicy::Duplicate { number, rule });
            }
        }
        if taken.is_empty() {
            return Err(InvalidPolicy::NoRules);
        }
        Ok(Self::Allow(taken.into_iter().collect()))
    }
}

impl FromStr for Policy {
    type Err = InvalidPolicy;

    fn from_str(text: &str) -> Result<Self, InvalidPolicy> {
        match text {
            "none" => Ok(Self::None),
            "record" => Ok(Self::Record),
            "internet" => Ok(Self::Internet),
            "allow" | "allow=" => Err(InvalidPolicy::NoRules),
            _ => match text.strip_prefix("allow=") {
                Some(rules) if rules.len() > MAX_TEXT_BYTES => Err(InvalidPolicy::TooLong),
                Some(rules) => Self::allow(rules.split(',').map(str::trim)),
                None => Err(InvalidPolicy::Unknown(text.chars().take(64).collect())),
            },
        }
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.mode())?;
        for (at, rule) in self.rules().iter().enumerate() {
            write!(formatter, "{}{rule}", if at == 0 { '=' } else { ',' })?;
        }
        Ok(())
    }
}
