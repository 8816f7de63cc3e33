//! `WWW-Authenticate`: what a registry wants to see before it answers. Hostile input.
//!
//! ```text
//! Bearer realm="https://auth.example/token",service="registry.example",scope="repository:a:pull"
//! Basic realm="registry"
//! ```

const MAX_BYTES: usize = 8 << 10;
const MAX_CHALLENGES: usize = 8;
const MAX_PARAMETERS: usize = 16;

/// One that we know how to meet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Challenge {
    Basic,
    /// With a token of the server at `realm`.
    Bearer {
        realm: String,
        service: Option<String>,
        scope: Option<String>,
    },
}

/// Those that are understood, in their order. None of a header that is malformed anywhere, too long or
/// has too many: what half of it means is anybody's guess.
pub fn parse(header: &[u8]) -> Vec<Challenge> {
    if header.len() > MAX_BYTES {
        return Vec::new();
    }
    let Ok(text) = std::str::from_utf8(header) else { return Vec::new() };
    let raw = Parser { rest: text }.challenges().unwrap_or_default();
    raw.into_iter().filter_map(Raw::known).collect()
}

struct Raw<'a> {
    scheme: &'a str,
    parameters: Vec<(&'a str, String)>,
}

impl Raw<'_> {
    fn known(self) -> Option<Challenge> {
        let is = |scheme: &str| self.scheme.eq_ignore_ascii_case(scheme);
        // Of two with one name nobody knows which counts.
        let value = |name: &str| {
            let mut found =
                self.parameters.iter().filter(|(found, _)| found.eq_ignore_ascii_case(name));
            match (found.next(), found.next()) {
                (Some((_, value)), None) => Ok(Some(value.clone())),
                (None, _) => Ok(None),
                (Some(_), Some(_)) => Err(()),
            }
        };
        if is("basic") {
            return Some(Challenge::Basic);
        }
        if !is("bearer") {
            return None;
        }
        let realm = value("realm").ok()??;
        let (service, scope) = (value("service").ok()?, value("scope").ok()?);
        Some(Challenge::Bearer { realm, service, scope })
    }
}

struct Parser<'a> {
    rest: &'a str,
}

impl<'a> Parser<'a> {
    fn challenges(mut self) -> Option<Vec<Raw<'a>>> {
        let mut found: Vec<Raw<'a>> = Vec::new();
        loop {
            self.skip(|byte| matches!(byte, b' ' | b'\t' | b','));
            if self.rest.is_empty() {
                return Some(found);
            }
            let word = self.word()?;
            // `name=value` goes on with the last challenge; a word followed by a space is a new one.
            let spaces = self.skip(is_space);
            match found.last_mut() {
                Some(last) if self.next_is(b'=') => {
                    self.take(b'=')?;
                    self.skip(is_space);
                    let value = self.value()?;
                    last.parameters.push((word, value));
                    if last.parameters.len() > MAX_PARAMETERS {
                        return None;
                    }
                    self.skip(is_space);
                    if !(self.rest.is_empty() || self.next_is(b',')) {
                        return None;
                    }
                }
                _ => {
                    if !(self.rest.is_empty() || self.next_is(b',') || spaces > 0) {
                        return None;
                    }
                    found.push(Raw { scheme: word, parameters: Vec::new() });
                    if found.len() > MAX_CHALLENGES {
                        return None;
                    }
                    self.token68();
                }
            }
        }
    }

    /// `Negotiate dGhpcw==`: nothing that we know has one; it is passed over.
    fn token68(&mut self) {
        let end = self.rest.find([',', ' ', '\t']).unwrap_or(self.rest.len());
        let token = &self.rest[..end];
        let body = token.trim_end_matches('=');
        let is_token = !body.is_empty()
            && body.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte));
        let rest = self.rest[end..].trim_start_matches([' ', '\t']);
        if is_token && (rest.is_empty() || rest.starts_with(',')) {
            self.rest = rest;
        }
    }

    fn word(&mut self) -> Option<&'a str> {
        let is_token =
            |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        let end = self.rest.bytes().position(|byte| !is_token(byte)).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        (!word.is_empty()).then_some(word)
    }

    fn value(&mut self) -> Option<String> {
        if !self.next_is(b'"') {
            return self.word().map(str::to_owned);
        }
        let mut value = String::new();
        let mut characters = self.rest[1..].char_indices();
        while let Some((at, character)) = characters.next() {
            match character {
                '"' => {
                    self.rest = &self.rest[1 + at + 1..];
                    return Some(value);
                }
                '\\' => match characters.next()?.1 {
                    escaped if escaped.is_control() => return None,
                    escaped => value.push(escaped),
                },
                character if character.is_control() => return None,
                character => value.push(character),
            }
        }
        None
    }

    fn next_is(&self, byte: u8) -> bool {
        self.rest.as_bytes().first() == Some(&byte)
    }

    fn take(&mut self, byte: u8) -> Option<()> {
        if !self.next_is(byte) {
            return None;
        }
        self.rest = &self.rest[1..];
        Some(())
    }

    fn skip(&mut self, skipped: impl Fn(u8) -> bool) -> usize {
        let count = self.rest.bytes().take_while(|byte| skipped(*byte)).count();
        self.rest = &self.rest[count..];
        count
    }
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bearer(realm: &str, service: Option<&str>, scope: Option<&str>) -> Challenge {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        Challenge::Bearer { realm: realm.into(), service: owned(service), scope: owned(scope) }
    }

    #[test]
    fn what_registries_say() {
        let check = |header: &str, expected: &[Challenge]| {
            assert_eq!(parse(header.as_bytes()), expected, "{header}");
        };
        check(
            r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull""#,
            &[bearer(
                "https://auth.docker.io/token",
                Some("registry.docker.io"),
                Some("repository:a/b:pull"),
            )],
        );
        let many = r#"Bearer realm="r", scope="repository:a:pull,push", error="invalid_token""#;
        check(many, &[bearer("r", None, Some("repository:a:pull,push"))]);
        check(r#"Basic realm="Registry""#, &[Challenge::Basic]);
        check("basic", &[Challenge::Basic]);
        check("BEARER REALM=r", &[bearer("r", None, None)]);
        check(r#"Bearer realm = "r" ,, service= s"#, &[bearer("r", Some("s"), None)]);
        check(r#"Bearer realm="a\"b\\c""#, &[bearer("a\"b\\c", None, None)]);
        let both = r#"Basic realm="x", Bearer realm="r",service="s""#;
        check(both, &[Challenge::Basic, bearer("r", Some("s"), None)]);
        check(r#"Negotiate, Basic realm="x""#, &[Challenge::Basic]);
        check(r#"Negotiate dGhpcw==, Bearer realm="r""#, &[bearer("r", None, None)]);
        check(r#"Digest realm="r", nonce="n""#, &[]);
    }

    #[test]
    fn what_nobody_understands_is_no_challenge() {
        for header in [
            "",
            ",",
            "=",
            r#"realm="r""#,
            "Bearer",
            r#"Bearer service="s""#,
            r#"Bearer realm="r"#,
            r#"Bearer realm="r\"#,
            r#"Bearer realm="r" x"#,
            r#"Bearer realm="r"service="s""#,
            "Bearer realm=",
            r#"Bearer realm="a", realm="b""#,
            r#"Bearer realm="a", scope="b", scope="c""#,
            "Bearer realm=\"a\nb\"",
            "Bearer realm=\"a\0b\"",
            "Bearer realm=http://a",
            r#"Basic realm="x"#,
            "Basic;",
        ] {
            assert_eq!(parse(header.as_bytes()), [], "{header}");
        }
        assert_eq!(parse(b"Basic realm=\"\xff\""), []);
        assert_eq!(parse("Basic,".repeat(9).as_bytes()), []);
        let long = format!("Basic realm=\"{}\"", "a".repeat(MAX_BYTES));
        assert_eq!(parse(long.as_bytes()), []);
        let many = format!("Basic {}", "a=b,".repeat(17));
        assert_eq!(parse(many.as_bytes()), []);
    }

    proptest! {
        #[test]
        fn anything_is_read_without_a_fault(header in proptest::collection::vec(any::<u8>(), 0..200)) {
            parse(&header);
        }

        #[test]
        fn what_is_quoted_comes_out_as_it_went_in(realm in "[ -~]{0,50}", scope in "[ -~]{0,50}") {
            let quoted = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"");
            let header = format!("Bearer realm=\"{}\", scope=\"{}\"", quoted(&realm), quoted(&scope));
            prop_assert_eq!(parse(header.as_bytes()), [bearer(&realm, None, Some(&scope))]);
        }
    }
}
