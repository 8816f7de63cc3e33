//! What is answered when something is not served: the distribution specification's form.

mod store;

use serde_json::json;

use crate::name::Host;

/// Of a message in a status line: clients print no more of it.
const MAX_REASON_BYTES: usize = 240;

/// Codes of the distribution specification, and `SERVICE_UNAVAILABLE`, which registries use beside
/// them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    BlobUnknown,
    BlobUploadInvalid,
    BlobUploadUnknown,
    DigestInvalid,
    ManifestBlobUnknown,
    ManifestInvalid,
    ManifestUnknown,
    NameInvalid,
    NameUnknown,
    SizeInvalid,
    Unauthorized,
    Denied,
    Unsupported,
    TooManyRequests,
    /// No space, a store that fails, an upstream that does.
    Unavailable,
}

impl Code {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BlobUnknown => "BLOB_UNKNOWN",
            Self::BlobUploadInvalid => "BLOB_UPLOAD_INVALID",
            Self::BlobUploadUnknown => "BLOB_UPLOAD_UNKNOWN",
            Self::DigestInvalid => "DIGEST_INVALID",
            Self::ManifestBlobUnknown => "MANIFEST_BLOB_UNKNOWN",
            Self::ManifestInvalid => "MANIFEST_INVALID",
            Self::ManifestUnknown => "MANIFEST_UNKNOWN",
            Self::NameInvalid => "NAME_INVALID",
            Self::NameUnknown => "NAME_UNKNOWN",
            Self::SizeInvalid => "SIZE_INVALID",
            Self::Unauthorized => "UNAUTHORIZED",
            Self::Denied => "DENIED",
            Self::Unsupported => "UNSUPPORTED",
            Self::TooManyRequests => "TOOMANYREQUESTS",
            Self::Unavailable => "SERVICE_UNAVAILABLE",
        }
    }
}

/// Why something is not served: the code, and words that say what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Problem {
    pub code: Code,
    pub status: u16,
    pub message: String,
    /// What the registry outside has to do with it.
    pub upstream: Option<Upstream>,
}

/// A registry outside that refused or failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstream {
    pub host: Host,
    /// None: it did not answer.
    pub status: Option<u16>,
    /// When it asked to be left alone.
    pub retry_after_seconds: Option<u64>,
}

impl Problem {
    pub fn new(code: Code, status: u16, message: impl Into<String>) -> Self {
        Self { code, status, message: message.into(), upstream: None }
    }

    /// `{"errors":[{"code":…,"message":…,"detail":…}]}`
    pub fn to_json(&self) -> String {
        let detail =
            self.upstream.as_ref().map(|Upstream { host, status, retry_after_seconds }| {
                json!({
                    "registry": host.as_str(),
                    "status": status,
                    "retry_after_seconds": retry_after_seconds,
                })
            });
        let error = json!({"code": self.code.as_str(), "message": self.message, "detail": detail});
        json!({"errors": [error]}).to_string()
    }

    /// For the status line: where the answer has no body, as to HEAD, it is all that a user reads.
    pub fn reason(&self) -> String {
        escaped(&self.message, MAX_REASON_BYTES)
    }
}

/// Printable ASCII, and at most so many characters of it: what clients say may stand in a log or on a
/// terminal then.
pub fn escaped(text: &str, at_most: usize) -> String {
    let mut escaped = String::new();
    for character in text.chars() {
        let piece: String = match character {
            ' '..='~' => character.into(),
            _ => character.escape_default().collect(),
        };
        if escaped.len() + piece.len() > at_most {
            escaped.truncate(at_most.saturating_sub(3));
            escaped.push_str("...");
            break;
        }
        escaped.push_str(&piece);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_bounded_and_harmless() {
        assert_eq!(escaped("a b~", 4), "a b~");
        assert_eq!(escaped("\u{1b}[31m\r\nä", 99), "\\u{1b}[31m\\r\\n\\u{e4}");
        assert_eq!(escaped("abcdef", 5), "ab...");
        for (text, at_most) in [("\n\n\n", 5), ("ää", 2), ("abc", 0), ("abc", 3)] {
            assert!(escaped(text, at_most).len() <= at_most.max(3));
        }
        let problem = Problem::new(Code::Denied, 403, "x".repeat(1000));
        assert_eq!(problem.reason().len(), MAX_REASON_BYTES);
    }

    #[test]
    fn the_form_is_the_specifications() {
        let upstream = Upstream {
            host: "docker.io".parse().unwrap(),
            status: Some(429),
            retry_after_seconds: Some(7),
        };
        let mut problem = Problem::new(Code::TooManyRequests, 429, "say \"please\"");
        problem.upstream = Some(upstream);
        let json: serde_json::Value = serde_json::from_str(&problem.to_json()).unwrap();
        let expected = json!({"errors": [{
            "code": "TOOMANYREQUESTS",
            "message": "say \"please\"",
            "detail": {"registry": "docker.io", "status": 429, "retry_after_seconds": 7},
        }]});
        assert_eq!(json, expected);
    }
}
