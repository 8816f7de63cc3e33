//! Host names.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// A host's name: lower case, A-labels, without a final dot, at most 253 bytes, and no address.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(String);

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no host name: {reason}")]
pub struct InvalidName {
    pub text: String,
    pub reason: &'static str,
}

const MAX_BYTES: usize = 253;
const MAX_LABEL_BYTES: usize = 63;

impl Name {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Name {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let invalid = |reason| InvalidName { text: text.chars().take(300).collect(), reason };
        let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
        if name.is_empty() || name.len() > MAX_BYTES {
            return Err(invalid("it is empty or longer than 253 bytes"));
        }
        for label in name.split('.') {
            if label.is_empty() || label.len() > MAX_LABEL_BYTES {
                return Err(invalid("a label is empty or longer than 63 bytes"));
            }
            if !label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
            {
                return Err(invalid(
                    "only letters, digits, - and _ stand in a label; write other letters as xn--…",
                ));
            }
            if label.starts_with('-') || label.ends_with('-') {
                return Err(invalid("a label begins or ends with -"));
            }
        }
        if name.rsplit('.').next().is_some_and(is_number) {
            return Err(invalid("it is an address; name the host"));
        }
        Ok(Self(name))
    }
}

/// 1.2.3.4, 127.1 and 0x7f000001 are addresses to many who read them.
fn is_number(label: &str) -> bool {
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
    digits(label) || label.strip_prefix("0x").is_some_and(hex)
}

impl TryFrom<String> for Name {
    type Error = InvalidName;

    fn try_from(text: String) -> Result<Self, InvalidName> {
        text.parse()
    }
}

impl From<Name> for String {
    fn from(name: Name) -> Self {
        name.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}
