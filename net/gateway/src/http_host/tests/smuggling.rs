//! Requests in requests: what has been read in two ways by somebody.

use super::{Unread, check};

fn refused(head: &str, body: &str, why: &'static str) {
    let text = format!("{head}\r\n\r\n{body}GET / HTTP/1.1\r\nHost: two.test\r\n\r\n");
    check(&text, &Err(Unread::Malformed(why)));
}

const POST: &str = "POST / HTTP/1.1\r\nHost: one.test\r\n";

#[test]
fn two_lengths() {
    let two = "a body with two lengths";
    for header in [
        "Content-Length: 4\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 4",
        "Transfer-Encoding:\tCHUNKED \r\nContent-Length: 0",
    ] {
        refused(&format!("{POST}{header}"), "0\r\n\r\n", two);
    }
    for header in
        ["Content-Length: 4\r\nContent-Length: 5", "Content-Length: 4\r\ncontent-length: 4"]
    {
        refused(&format!("{POST}{header}"), "abcd", "two lengths");
    }
}

#[test]
fn a_length_is_digits() {
    for length in [
        "",
        "+4",
        "-4",
        "4,4",
        "4, 5",
        "0x4",
        "4 4",
        "4.0",
        "4e0",
        "\u{664}",
        "99999999999999999999",
    ] {
        refused(&format!("{POST}Content-Length: {length}"), "abcd", "a length that is no number");
    }
}

#[test]
fn codings() {
    for coding in [
        "gzip",
        "gzip, chunked",
        "chunked, identity",
        "chunked, chunked",
        "identity",
        "xchunked",
        "\"chunked\"",
        "chunked;x=y",
        "",
    ] {
        let head = format!("{POST}Transfer-Encoding: {coding}");
        refused(&head, "0\r\n\r\n", "a coding other than chunked");
    }
    let twice = format!("{POST}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked");
    refused(&twice, "0\r\n\r\n", "a coding other than chunked");
    let old = "POST / HTTP/1.0\r\nHost: one.test\r\nTransfer-Encoding: chunked";
    refused(old, "0\r\n\r\n", "chunks in HTTP/1.0");
}

#[test]
fn chunks() {
    let size = "a chunk's size is more than its digits";
    let long = "a chunk is longer than its size";
    for (body, why) in [
        ("3;x=y\r\nabc\r\n0\r\n\r\n", size),
        ("3 \r\nabc\r\n0\r\n\r\n", size),
        (" 3\r\nabc\r\n0\r\n\r\n", size),
        ("0x3\r\nabc\r\n0\r\n\r\n", size),
        ("+3\r\nabc\r\n0\r\n\r\n", size),
        ("\r\nabc", size),
        ("3\nabc\r\n0\r\n\r\n", size),
        ("3\r\rabc\r\n0\r\n\r\n", size),
        ("3\r\nabcd\r\n0\r\n\r\n", long),
        ("3\r\nabc\n0\r\n\r\n", long),
        ("3\r\nabc\r\r0\r\n\r\n", long),
        ("0\r\nX: y\r\n\r\n", "a trailer behind the last chunk"),
        ("0\r\nHost: two.test\r\n\r\n", "a trailer behind the last chunk"),
        ("0\r\n\n", "a trailer behind the last chunk"),
        ("00000000000000003\r\nabc\r\n0\r\n\r\n", "a chunk's size has more than 16 digits"),
        ("10000000000000003\r\nabc\r\n0\r\n\r\n", "a chunk's size has more than 16 digits"),
    ] {
        refused(&format!("{POST}Transfer-Encoding: chunked"), body, why);
    }
}

#[test]
fn lines() {
    let name = "a header's name has bytes that no name has";
    let value = "a header's value has bytes that no value has";
    let alone = "a line ends in LF alone";
    for (lines, why) in [
        ("X: a\r\n b", "a folded line"),
        ("X: a\r\n\tContent-Length: 5", "a folded line"),
        ("Content-Length : 5", name),
        ("Transfer-Encoding\t: chunked", name),
        (": x", name),
        ("X\0: x", name),
        ("X\u{b}: x", name),
        ("(X): x", name),
        ("X", "a line without a colon"),
        ("X: a\nContent-Length: 5", alone),
        ("X: a\n", alone),
        ("X: a\rContent-Length: 5", value),
        ("X: a\r", value),
        ("X: \0", value),
        ("X: \u{b}", value),
        ("X: \u{7f}", value),
        ("Host: one.test", "two hosts"),
        ("Host: two.test", "two hosts"),
        ("Content_Length: 5", "_ where - stands"),
        ("Transfer_Encoding: chunked", "_ where - stands"),
        ("Connection: keep-alive, Content-Length", "Connection names what a request needs"),
        ("Connection: Host", "Connection names what a request needs"),
        ("Connection: Upgrade", "Connection names what a request needs"),
        ("Upgrade: h2c", "another protocol is asked for"),
        ("Upgrade: websocket", "another protocol is asked for"),
        ("HTTP2-Settings: AAMAAABkAAQAAP__", "another protocol is asked for"),
    ] {
        refused(&format!("{POST}{lines}"), "", why);
    }
}

#[test]
fn targets() {
    let neither = "the target is neither a path nor an http address";
    for (line, why) in [
        ("CONNECT one.test:80 HTTP/1.1", "CONNECT"),
        ("connect one.test:80 HTTP/1.1", "CONNECT"),
        ("GET http://two.test/ HTTP/1.1", "the first line and Host name different hosts"),
        ("GET http://one.test:80/ HTTP/1.1", "the first line and Host name different hosts"),
        ("GET http:// HTTP/1.1", "the first line and Host name different hosts"),
        ("GET http://one.test@two.test/ HTTP/1.1", neither),
        ("GET http://one.test\\@two.test/ HTTP/1.1", neither),
        ("GET https://one.test/ HTTP/1.1", neither),
        ("GET ftp://one.test/ HTTP/1.1", neither),
        ("GET two.test/ HTTP/1.1", neither),
        ("GET \\\\two.test/ HTTP/1.1", neither),
        ("GET /\0 HTTP/1.1", "the target has bytes that no target has"),
        ("GET /\u{e4} HTTP/1.1", "the target has bytes that no target has"),
        ("GET /\tx HTTP/1.1", "the target has bytes that no target has"),
    ] {
        refused(&format!("{line}\r\nHost: one.test"), "", why);
    }
}

/// The hosts that a careless server would find: it takes LF for a line's end, the first of two
/// headers, and prefers chunks.
pub(super) fn lenient_hosts(bytes: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(bytes).into_owned();
    let mut hosts = Vec::new();
    let mut rest = text.as_str();
    loop {
        let mut host = None;
        let (mut length, mut chunked) = (0, false);
        loop {
            let Some((line, after)) = rest.split_once('\n') else { return hosts };
            rest = after;
            let line = line.trim_end();
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(':').unwrap_or((line, ""));
            match name.trim().to_ascii_lowercase().as_str() {
                "host" => host = Some(value.trim().to_owned()),
                "content-length" => length = value.trim().parse().unwrap_or(0),
                "transfer-encoding" => chunked = value.contains("chunked"),
                _ => {}
            }
        }
        hosts.extend(host);
        if chunked {
            loop {
                let Some((size, after)) = rest.split_once('\n') else { return hosts };
                let size = usize::from_str_radix(size.trim(), 16).unwrap_or(0);
                let Some(after) = after.get(size..) else { return hosts };
                rest = after.split_once('\n').map_or("", |(_, rest)| rest);
                if size == 0 {
                    break;
                }
            }
        } else {
            let Some(after) = rest.get(length..) else { return hosts };
            rest = after;
        }
    }
}
