//! What is shown nowhere.

use std::fmt;

use base64::{Engine, prelude::BASE64_STANDARD};
use hyper::header::HeaderValue;

#[derive(Clone, PartialEq, Eq)]
pub(super) struct Secret(String);

impl Secret {
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    pub(super) fn expose(&self) -> &str {
        &self.0
    }

    /// None: no header can hold it.
    pub(super) fn bearer(&self) -> Option<HeaderValue> {
        sensitive(&format!("Bearer {}", self.0))
    }

    pub(super) fn basic(&self, username: &str) -> Option<HeaderValue> {
        let pair = BASE64_STANDARD.encode(format!("{username}:{}", self.0));
        sensitive(&format!("Basic {pair}"))
    }
}

fn sensitive(text: &str) -> Option<HeaderValue> {
    let is_plain = text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    let mut value = HeaderValue::from_str(text).ok().filter(|_| is_plain)?;
    value.set_sensitive(true);
    Some(value)
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}
