//! Who may speak to the endpoint for local clients: not a page that a browser shows.

use std::net::IpAddr;

use hyper::{
    HeaderMap,
    header::{self, HeaderName},
};

use crate::problem::{Code, Problem};

/// `none`: somebody typed the address.
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// A name of somebody else's that leads here, as one that was rebound does, is no loopback name; and
/// only browsers say where a request comes from.
pub(crate) fn check(headers: &HeaderMap, is_proxied: bool) -> Result<(), Problem> {
    let is_pages = headers.get(FETCH_SITE).is_some_and(|site| site != "none");
    if is_pages || headers.contains_key(header::ORIGIN) {
        return Err(denied("what a browser shows has no business with this registry"));
    }
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    // Whoever takes this for a proxy has set it up as one: no name led here.
    if is_proxied || host.is_some_and(is_loopback) {
        return Ok(());
    }
    Err(denied("this registry is for local clients: call it by localhost or its address"))
}

/// With a port or without.
pub(crate) fn is_loopback(authority: &str) -> bool {
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    };
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    host.eq_ignore_ascii_case("localhost")
        || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn denied(message: &str) -> Problem {
    Problem::new(Code::Denied, 403, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_authorities() {
        for good in ["localhost", "LOCALHOST:5000", "127.0.0.1", "127.1.2.3:80", "[::1]", "[::1]:9"]
        {
            assert!(is_loopback(good), "{good}");
        }
        for bad in [
            "",
            "registry.example",
            "localhost.example:80",
            "192.0.2.1",
            "[2001:db8::1]:80",
            "127.0.0.1.example",
            "0.0.0.0:5000",
            "127.0.0.1:80@registry.example",
        ] {
            assert!(!is_loopback(bad), "{bad}");
        }
    }

    #[test]
    fn browsers_and_names_of_others_are_refused() {
        let headers = |pairs: &[(&'static str, &'static str)]| {
            let pairs = pairs.iter().map(|(name, value)| {
                (name.parse().unwrap(), header::HeaderValue::from_static(value))
            });
            pairs.collect::<HeaderMap>()
        };
        assert_eq!(check(&headers(&[("host", "127.0.0.1:5000")]), false), Ok(()));
        assert_eq!(check(&headers(&[("host", "docker.io")]), true), Ok(()));
        for refused in [
            headers(&[]),
            headers(&[("host", "rebound.example:5000")]),
            headers(&[("host", "127.0.0.1"), ("origin", "http://page.example")]),
            headers(&[("host", "localhost"), ("sec-fetch-site", "cross-site")]),
        ] {
            assert_eq!(check(&refused, false).unwrap_err().status, 403);
        }
    }
}
