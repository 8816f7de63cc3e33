//! What the engine asks its proxy for first: `CONNECT host:port`, and nothing else is understood.

use std::net::IpAddr;

/// All of it, with the headers, which say nothing that is needed.
pub(super) const MAX_BYTES: usize = 8 << 10;
const MAX_HOST_BYTES: usize = 253;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) host: Host,
    pub(super) port: u16,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Host {
    /// In lower case.
    Name(String),
    Address(IpAddr),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NotConnect {
    #[error("400 only CONNECT host:port is understood here")]
    Malformed,
    #[error("405 this proxy is for docker's engine, and carries TLS alone")]
    OtherMethod,
}

impl std::fmt::Display for Host {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Name(name) => formatter.write_str(name),
            Self::Address(address) => address.fmt(formatter),
        }
    }
}

impl Target {
    /// `head` ends with the empty line.
    pub(super) fn parse(head: &[u8]) -> Result<Self, NotConnect> {
        let line = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
        let line = str::from_utf8(line).map_err(|_| NotConnect::Malformed)?;
        let mut words = line.split(' ');
        let (method, authority, version) = (words.next(), words.next(), words.next());
        let (Some(method), Some(authority), Some("HTTP/1.1" | "HTTP/1.0"), None) =
            (method, authority, version, words.next())
        else {
            return Err(NotConnect::Malformed);
        };
        if method != "CONNECT" {
            return Err(NotConnect::OtherMethod);
        }
        let (host, port) = authority.rsplit_once(':').ok_or(NotConnect::Malformed)?;
        // What `parse` takes beside digits is a sign.
        let digits = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
        let port = port.parse().ok().filter(|port| digits && *port != 0);
        let port = port.ok_or(NotConnect::Malformed)?;
        Ok(Self { host: Host::parse(host).ok_or(NotConnect::Malformed)?, port })
    }

    /// What a registry is called in `ns=`. The engine's name for the usual one is not its host's.
    pub(super) fn namespace(&self) -> String {
        let host = match &self.host {
            Host::Address(IpAddr::V6(address)) => format!("[{address}]"),
            other => other.to_string(),
        };
        match (&*host, self.port) {
            ("registry-1.docker.io", 443) => "docker.io".to_owned(),
            (_, 443) => host,
            (_, port) => format!("{host}:{port}"),
        }
    }
}

impl Host {
    fn parse(text: &str) -> Option<Self> {
        if let Some(six) = text.strip_prefix('[') {
            return six.strip_suffix(']')?.parse().ok().map(|six| Self::Address(IpAddr::V6(six)));
        }
        if let Ok(four) = text.parse() {
            return Some(Self::Address(IpAddr::V4(four)));
        }
        let usual = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
        let named = !text.is_empty()
            && text.len() <= MAX_HOST_BYTES
            && text.bytes().all(usual)
            && text.split('.').all(|label| !label.is_empty() && label.len() < 64);
        named.then(|| Self::Name(text.to_ascii_lowercase()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn namespace(line: &str) -> Result<String, NotConnect> {
        Target::parse(format!("{line}\r\nHost: other\r\n\r\n").as_bytes())
            .map(|target| target.namespace())
    }

    #[test]
    fn a_registry_is_called_as_references_have_it() {
        for (authority, expected) in [
            ("registry-1.docker.io:443", "docker.io"),
            ("Registry.Example:443", "registry.example"),
            ("registry.example:5443", "registry.example:5443"),
            ("192.0.2.1:443", "192.0.2.1"),
            ("[2001:db8::1]:443", "[2001:db8::1]"),
            ("[2001:DB8::1]:5000", "[2001:db8::1]:5000"),
            ("registry.kiln:5000", "registry.kiln:5000"),
        ] {
            let line = format!("CONNECT {authority} HTTP/1.1");
            assert_eq!(namespace(&line).as_deref(), Ok(expected));
        }
    }

    #[test]
    fn what_is_no_connect_is_refused() {
        for line in ["GET http://a/ HTTP/1.1", "POST / HTTP/1.0", "connect a:1 HTTP/1.1"] {
            assert_eq!(namespace(line), Err(NotConnect::OtherMethod), "{line}");
        }
        let long = format!("CONNECT {}:443 HTTP/1.1", "a.".repeat(127));
        for line in [
            "",
            "CONNECT",
            "CONNECT a HTTP/1.1",
            "CONNECT a:443",
            "CONNECT a:443 HTTP/2",
            "CONNECT  a:443 HTTP/1.1",
            "CONNECT a:443 HTTP/1.1 ",
            "CONNECT a:0 HTTP/1.1",
            "CONNECT a:+1 HTTP/1.1",
            "CONNECT a:65536 HTTP/1.1",
            "CONNECT :443 HTTP/1.1",
            "CONNECT a..b:443 HTTP/1.1",
            "CONNECT a/b:443 HTTP/1.1",
            "CONNECT u@a:443 HTTP/1.1",
            "CONNECT [192.0.2.1]:443 HTTP/1.1",
            "CONNECT [::1:443 HTTP/1.1",
            "CONNECT ::1:443 HTTP/1.1",
            "CONNECT a\u{e4}:443 HTTP/1.1",
            "CONNECT a%2f:443 HTTP/1.1",
            &long,
        ] {
            assert_eq!(namespace(line), Err(NotConnect::Malformed), "{line:?}");
        }
        assert_eq!(Target::parse(b"CONNECT \xff:443 HTTP/1.1\r\n"), Err(NotConnect::Malformed));
    }
}
