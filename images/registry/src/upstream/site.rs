//! Where a request goes: scheme, host and port, as they are compared before anything secret is sent.

use std::fmt;

use hyper::Uri;

use crate::name::Host;

const DOCKER_HUB: &str = "docker.io";
const DOCKER_HUB_SITE: &str = "registry-1.docker.io";
const DOCKER_HUB_TOKENS: &str = "auth.docker.io";
const MAX_URL_BYTES: usize = 8 << 10;

/// Always with its port.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Site {
    pub https: bool,
    pub name: String,
    pub port: u16,
}

/// Somewhere at a site.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub site: Site,
    /// With the query. Not for messages: some carry signatures.
    pub path: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a URL that is followed")]
pub(super) struct InvalidPlace;

impl Site {
    /// Of the registry that is named so.
    pub(super) fn of(host: &Host, http: bool) -> Self {
        let name = if host.as_str() == DOCKER_HUB { DOCKER_HUB_SITE } else { host.name() };
        Self { https: !http, name: name.to_owned(), port: port(host, !http) }
    }

    /// Is it what `host` names, its port left away or not?
    pub(super) fn is(&self, host: &Host) -> bool {
        host.name() == self.name && port(host, self.https) == self.port
    }

    /// Docker Hub has its tokens from another host: everybody knows which.
    pub(super) fn is_docker_hubs_tokens(&self, registry: &Host) -> bool {
        registry.as_str() == DOCKER_HUB
            && self.https
            && self.port == 443
            && self.name == DOCKER_HUB_TOKENS
    }

    /// As the `Host` header has it.
    pub(super) fn authority(&self) -> String {
        let usual = if self.https { 443 } else { 80 };
        let Self { name, port, .. } = self;
        if *port == usual { name.clone() } else { format!("{name}:{port}") }
    }
}

impl Place {
    /// An absolute URL, or a path at the same site.
    pub(super) fn parse(text: &str, base: &Site) -> Result<Self, InvalidPlace> {
        if text.len() > MAX_URL_BYTES {
            return Err(InvalidPlace);
        }
        // `//host/path` and `/\host` are read as other hosts by some, as paths by others.
        if text.starts_with('/') {
            if matches!(text.as_bytes().get(1), Some(b'/' | b'\\')) {
                return Err(InvalidPlace);
            }
            let uri: Uri = text.parse().map_err(|_| InvalidPlace)?;
            let path = uri.path_and_query().ok_or(InvalidPlace)?.to_string();
            return Ok(Self { site: base.clone(), path });
        }
        let uri: Uri = text.parse().map_err(|_| InvalidPlace)?;
        let https = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(InvalidPlace),
        };
        // One with a user in it is no host.
        let authority = uri.authority().ok_or(InvalidPlace)?.as_str().to_ascii_lowercase();
        let host: Host = authority.parse().map_err(|_| InvalidPlace)?;
        if is_odd_number(host.name()) {
            return Err(InvalidPlace);
        }
        let site = Self::site(&host, https);
        let path = uri.path_and_query().map_or("/", hyper::http::uri::PathAndQuery::as_str);
        Ok(Self { site, path: path.to_owned() })
    }

    fn site(host: &Host, https: bool) -> Site {
        Site { https, name: host.name().to_owned(), port: port(host, https) }
    }

    /// With more of a query.
    pub(super) fn with(mut self, name: &str, value: &str) -> Self {
        self.path.push(if self.path.contains('?') { '&' } else { '?' });
        self.path.push_str(name);
        self.path.push('=');
        self.path.push_str(&escaped(value));
        self
    }
}

/// For a query or a form.
pub(super) fn escaped(text: &str) -> String {
    use fmt::Write as _;
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                escaped.push(byte.into());
            }
            // Writing to a string does not fail.
            _ => drop(write!(escaped, "%{byte:02X}")),
        }
    }
    escaped
}

/// `127.1`, `0x7f000001` and `017700000001` are addresses to some and names to others.
fn is_odd_number(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or_default();
    let is_hex = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_number = last.bytes().all(|byte| byte.is_ascii_digit())
        || last.strip_prefix("0x").is_some_and(is_hex);
    is_number && name.parse::<std::net::Ipv4Addr>().is_err()
}

fn port(host: &Host, https: bool) -> u16 {
    host.port().unwrap_or(if https { 443 } else { 80 })
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.authority())
    }
}

impl fmt::Debug for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{self}", if self.https { "https" } else { "http" })
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.split('?').next().unwrap_or_default();
        write!(f, "{:?}{path}", self.site)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site(https: bool, name: &str, port: u16) -> Site {
        Site { https, name: name.to_owned(), port }
    }

    #[test]
    fn registries_have_sites() {
        for (host, http, expected) in [
            ("docker.io", false, site(true, "registry-1.docker.io", 443)),
            ("registry.example", false, site(true, "registry.example", 443)),
            ("registry.example:5000", true, site(false, "registry.example", 5000)),
            ("[2001:db8::1]", true, site(false, "[2001:db8::1]", 80)),
        ] {
            assert_eq!(Site::of(&host.parse().unwrap(), http), expected);
        }
        assert_eq!(site(true, "a", 443).authority(), "a");
        assert_eq!(site(true, "a", 80).authority(), "a:80");
        assert!(site(true, "a", 443).is(&"a:443".parse().unwrap()));
        assert!(!site(false, "a", 80).is(&"a:443".parse().unwrap()));
    }

    #[test]
    fn places_are_read_in_one_way() {
        let base = site(true, "registry.example", 443);
        let check = |text: &str, expected: Option<(Site, &str)>| {
            let expected = expected.map(|(site, path)| Place { site, path: path.to_owned() });
            assert_eq!(Place::parse(text, &base).ok(), expected, "{text}");
        };
        check("/v2/a?b=c", Some((base.clone(), "/v2/a?b=c")));
        check("https://A.Example/x", Some((site(true, "a.example", 443), "/x")));
        check("http://a.example:81", Some((site(false, "a.example", 81), "/")));
        check("https://[::1]:1/x", Some((site(true, "[::1]", 1), "/x")));
        for bad in [
            "",
            "x",
            "x/y",
            "//evil.example/x",
            "/\\evil.example",
            "ftp://a/x",
            "file:///etc/shadow",
            "https://user@a.example/",
            "https://user:pass@a.example/",
            "https://a.example:0/",
            "https://a.example:99999/",
            "https:///x",
            "https://a_b.example/",
            "https://a.example./",
            "https://[::ffff:7f00:1%25lo]/",
            "https://a.example\\@b.example/",
            "https://a b/",
            "https://ä.example/",
            "?x=1",
            "javascript:x",
            "https://127.1/",
            "https://0x7f000001/",
            "https://2130706433/",
            "https://017700000001/",
            "https://a.example.1/",
            "https://127.0.0.0x1/",
            "https://1.2.3.4.5/",
            "unix:/run/x",
            "https://a.example\r\nX: y",
        ] {
            check(bad, None);
        }
        check(&format!("/{}", "a".repeat(MAX_URL_BYTES)), None);
    }

    #[test]
    fn what_may_be_signed_is_not_shown() {
        let place = Place::parse("/v2/a?signature=secret", &site(true, "a", 443)).unwrap();
        assert_eq!(format!("{place:?}"), "https://a/v2/a");
        let with = place.with("digest", "sha256:a b");
        assert_eq!(with.path, "/v2/a?signature=secret&digest=sha256%3Aa%20b");
    }

    /// As a browser's parser reads it, which knows nothing of ours.
    fn as_others_do(text: &str) -> Option<Site> {
        let base = url::Url::parse("https://registry.example/v2/a?x=y").unwrap();
        let url = base.join(text).ok()?;
        let https = url.scheme() == "https";
        let (name, port) = (url.host_str()?.to_owned(), url.port_or_known_default()?);
        assert_eq!((url.username(), url.password()), ("", None), "{text}");
        Some(Site { https, name, port })
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(4096))]

        /// Whatever is followed leads where others would go: no two readings of one place.
        #[test]
        fn others_read_the_same_site(
            parts in proptest::collection::vec(proptest::sample::select(vec![
                "https://", "http://", "HTTPS://", "//", "/", "\\", "@", ":", "?", "#", "%2f", "%40",
                "..", ".", "a.example", "b.example", "registry.example", "127.0.0.1", "[::1]",
                "0x7f.1", "localhost", "443", "80", "5000", "user", " ", "\t", "[", "]", ";", "&",
                "v2", "\u{e4}", "\u{2024}", "\u{ff0f}", "_", "-", "%", "\0",
            ]), 0..9),
        ) {
            let text = parts.concat();
            if let Ok(place) = Place::parse(&text, &site(true, "registry.example", 443)) {
                let site = as_others_do(&text).unwrap();
                proptest::prop_assert_eq!(&place.site, &site, "{}", text);
            }
        }
    }
}
