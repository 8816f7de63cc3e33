//! One request's head, whole.

use kiln_net::name::Name;

use super::Unread;

pub(super) const MAX_METHOD_BYTES: usize = 32;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) host: Name,
    pub(super) body: Body,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Body {
    Counted(u64),
    Chunked,
}

/// `bytes` ends with the empty line. `port` is the connection's.
pub(super) fn read(bytes: &[u8], port: u16) -> Result<Head, Unread> {
    let malformed = Unread::Malformed;
    let bytes = bytes.strip_suffix(b"\r\n\r\n").ok_or(malformed("a head does not end"))?;
    let mut lines = Vec::new();
    let mut rest = bytes;
    while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
        lines.push(rest[..end].strip_suffix(b"\r").ok_or(malformed("a line ends in LF alone"))?);
        rest = &rest[end + 1..];
    }
    lines.push(rest);

    let mut lines = lines.into_iter();
    let request = Request::read(lines.next().unwrap_or_default())?;
    let mut fields = Fields::default();
    for line in lines {
        fields.take(line)?;
    }
    if !request.current && fields.chunked {
        return Err(malformed("chunks in HTTP/1.0"));
    }
    let host = fields.host.ok_or(Unread::NoHost)?;
    if request.authority.is_some_and(|authority| !authority.eq_ignore_ascii_case(host)) {
        return Err(malformed("the first line and Host name different hosts"));
    }
    let host = read_host(host, port)?;
    let body = match (fields.chunked, fields.length) {
        (true, Some(_)) => return Err(malformed("a body with two lengths")),
        (true, None) => Body::Chunked,
        (false, length) => Body::Counted(length.unwrap_or(0)),
    };
    Ok(Head { host, body })
}

/// A first line.
#[derive(Debug)]
struct Request<'a> {
    authority: Option<&'a [u8]>,
    /// HTTP/1.1.
    current: bool,
}

impl<'a> Request<'a> {
    fn read(line: &'a [u8]) -> Result<Self, Unread> {
        let mut words = line.split(|byte| *byte == b' ');
        let (Some(method), Some(target), Some(version), None) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            return Err(Unread::NotHttp);
        };
        if method.is_empty()
            || method.len() > MAX_METHOD_BYTES
            || !method.iter().copied().all(is_token)
        {
            return Err(Unread::NotHttp);
        }
        let current = match version {
            b"HTTP/1.1" => true,
            b"HTTP/1.0" => false,
            _ => return Err(Unread::NotHttp),
        };
        if method.eq_ignore_ascii_case(b"connect") {
            return Err(Unread::Malformed("CONNECT"));
        }
        if !target.iter().all(u8::is_ascii_graphic) {
            return Err(Unread::Malformed("the target has bytes that no target has"));
        }
        let authority = match target {
            [b'/', ..] | b"*" => None,
            _ => Some(read_authority(target)?),
        };
        Ok(Self { authority, current })
    }
}

/// Of `http://AUTHORITY/…`.
fn read_authority(target: &[u8]) -> Result<&[u8], Unread> {
    const SCHEME: &[u8] = b"http://";
    let malformed = Unread::Malformed("the target is neither a path nor an http address");
    let (scheme, rest) = target.split_at_checked(SCHEME.len()).ok_or(malformed.clone())?;
    if !scheme.eq_ignore_ascii_case(SCHEME) {
        return Err(malformed);
    }
    let end = rest.iter().position(|byte| b"/?#\\".contains(byte)).unwrap_or(rest.len());
    let (authority, rest) = rest.split_at(end);
    // What follows `@` or `\` is the host to some.
    if authority.contains(&b'@') || rest.first() == Some(&b'\\') {
        return Err(malformed);
    }
    Ok(authority)
}

fn read_host(host: &[u8], port: u16) -> Result<Name, Unread> {
    let no_name = || Unread::NoName(host.escape_ascii().to_string());
    let text = std::str::from_utf8(host).map_err(|_| no_name())?;
    let name = match text.split_once(':') {
        None => text,
        Some((name, other)) => {
            let digits = other.bytes().all(|byte| byte.is_ascii_digit());
            if !digits || other.is_empty() || other.starts_with('0') {
                return Err(no_name());
            }
            let other = other.parse().map_err(|_| no_name())?;
            if other != port {
                return Err(Unread::OtherPort(other));
            }
            name
        }
    };
    if name.ends_with('.') {
        return Err(no_name());
    }
    name.parse().map_err(|_| no_name())
}

/// What the headers say that matters here.
#[derive(Debug, Default)]
struct Fields<'a> {
    host: Option<&'a [u8]>,
    length: Option<u64>,
    chunked: bool,
}

impl<'a> Fields<'a> {
    fn take(&mut self, line: &'a [u8]) -> Result<(), Unread> {
        let malformed = |why| Err(Unread::Malformed(why));
        if matches!(line.first(), Some(b' ' | b'\t')) {
            return malformed("a folded line");
        }
        let Some(colon) = line.iter().position(|byte| *byte == b':') else {
            return malformed("a line without a colon");
        };
        let (name, value) = (&line[..colon], &line[colon + 1..]);
        if name.is_empty() || !name.iter().copied().all(is_token) {
            return malformed("a header's name has bytes that no name has");
        }
        if !value.iter().all(|byte| matches!(byte, b'\t' | b' '..=b'~' | 0x80..)) {
            return malformed("a header's value has bytes that no value has");
        }
        let value = value.trim_ascii();
        let plain = name.to_ascii_lowercase();
        match plain.as_slice() {
            b"host" => {
                let before = self.host.replace(value);
                if before.is_some() {
                    return malformed("two hosts");
                }
            }
            b"content-length" => {
                let before = self.length.replace(read_length(value)?);
                if before.is_some() {
                    return malformed("two lengths");
                }
            }
            b"transfer-encoding" => {
                if self.chunked || !value.eq_ignore_ascii_case(b"chunked") {
                    return malformed("a coding other than chunked");
                }
                self.chunked = true;
            }
            b"connection" | b"proxy-connection" => return check_connection(value),
            b"upgrade" | b"http2-settings" => return malformed("another protocol is asked for"),
            // Some servers read them as the above.
            b"content_length" | b"transfer_encoding" => return malformed("_ where - stands"),
            _ => {}
        }
        Ok(())
    }
}

fn read_length(value: &[u8]) -> Result<u64, Unread> {
    let malformed = Unread::Malformed("a length that is no number");
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return Err(malformed);
    }
    std::str::from_utf8(value).ok().and_then(|text| text.parse().ok()).ok_or(malformed)
}

/// A header that is named in here is taken away by what forwards the request.
fn check_connection(value: &[u8]) -> Result<(), Unread> {
    const ITS_OWN: [&[u8]; 5] =
        [b"host", b"content-length", b"transfer-encoding", b"upgrade", b"http2-settings"];
    let taken = value
        .split(|byte| *byte == b',')
        .any(|word| ITS_OWN.iter().any(|own| word.trim_ascii().eq_ignore_ascii_case(own)));
    if taken { Err(Unread::Malformed("Connection names what a request needs")) } else { Ok(()) }
}

pub(super) fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}
