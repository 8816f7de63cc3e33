//! What a file at a known place must say to be a secret: many are settings that only may hold one.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Proof {
    /// Anything at all.
    Presence,
    /// One of these keys is given a value that is no reference to a variable.
    Value(&'static [&'static str]),
    /// An address that has a password in it, or one of these keys a value.
    AddressOrValue(&'static [&'static str]),
    /// An identity that was made, not the word of systemd that one is to be.
    Identity,
}

impl Proof {
    pub(super) fn is_in(self, bytes: &[u8]) -> bool {
        let value = |keys: &[&str]| keys.iter().any(|key| has_value(bytes, key.as_bytes()));
        match self {
            Self::Presence => true,
            Self::Value(keys) => value(keys),
            Self::AddressOrValue(keys) => has_password(bytes) || value(keys),
            Self::Identity => bytes.trim_ascii() != b"uninitialized",
        }
    }
}

/// `key = value` in the ways of INI, YAML, TOML, JSON and shells, and `<key>value` of XML.
fn has_value(bytes: &[u8], key: &[u8]) -> bool {
    memchr::memmem::find_iter(bytes, key).any(|at| {
        let is_word = at == 0 || !is_of_word(bytes[at - 1]);
        let mut rest = bytes[at + key.len()..].iter().copied().peekable();
        if !is_word || rest.peek().is_some_and(|byte| is_of_word(*byte)) {
            return false;
        }
        while rest.next_if(|byte| matches!(byte, b'"' | b'\'' | b' ' | b'\t')).is_some() {}
        if rest.next_if(|byte| matches!(byte, b'=' | b':' | b'>')).is_none() {
            return false;
        }
        while rest.next_if(|byte| matches!(byte, b'"' | b'\'' | b' ' | b'\t')).is_some() {}
        let starts_value =
            |byte: u8| byte.is_ascii_alphanumeric() || b"+/_-.!@%^&*~".contains(&byte);
        rest.next().is_some_and(starts_value)
    })
}

fn is_of_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'
}

/// `scheme://user:password@host`
fn has_password(bytes: &[u8]) -> bool {
    memchr::memmem::find_iter(bytes, b"://").any(|at| {
        let ends = |byte: &u8| byte.is_ascii_whitespace() || b"/\"'<>`".contains(byte);
        let authority = bytes[at + 3..].split(ends).next().unwrap_or_default();
        let Some(end) = authority.iter().rposition(|byte| *byte == b'@') else { return false };
        let mut parts = authority[..end].splitn(2, |byte| *byte == b':');
        let password = parts.nth(1).unwrap_or_default();
        !password.is_empty() && !password.starts_with(b"$")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_told_from_references_and_from_nothing() {
        let check = |text: &str, expected| {
            assert_eq!(has_value(text.as_bytes(), b"token"), expected, "{text}");
        };
        check("token=abc", true);
        check("  token: abc", true);
        check("{\"token\": \"abc\"}", true);
        check("<token>abc</token>", true);
        check("//registry/:token=abc", true);
        check("token = 'abc'", true);
        check("token=", false);
        check("token=\nother=1", false);
        check("token=${TOKEN}", false);
        check("{\"token\": \"\"}", false);
        check("{\"token\": {}}", false);
        check("# the token is secret", false);
        check("csrf_token=abc", false);
        check("token_file=abc", false);
        check("<token></token>", false);
    }

    #[test]
    fn passwords_are_found_in_addresses() {
        let check = |text: &str, expected| {
            assert_eq!(has_password(text.as_bytes()), expected, "{text}");
        };
        check("https://user:password@example.com/x", true);
        check("url = https://x-access-token:abc@github.com", true);
        check("https://user@example.com", false);
        check("https://example.com:80/a@b", false);
        check("https://user:${PASSWORD}@example.com", false);
        check("git@example.com:a/b", false);
        check("https://", false);
    }
}
