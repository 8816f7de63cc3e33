use proptest::{
    prelude::{Just, ProptestConfig, Strategy, any, prop},
    prop_assert, prop_assert_eq, prop_oneof, proptest,
};

use super::{MAX_HEAD_BYTES, Requests, Unread};

mod smuggling;

/// All of `bytes` in one piece: the host, what was passed, and whether it ends between requests.
fn read(bytes: &[u8]) -> Result<(Option<String>, Vec<u8>, bool), Unread> {
    read_pieces(bytes, &[])
}

fn read_pieces(bytes: &[u8], cuts: &[usize]) -> Result<(Option<String>, Vec<u8>, bool), Unread> {
    let mut requests = Requests::new(80);
    let mut passed = Vec::new();
    let mut at = 0;
    for cut in cuts.iter().copied().chain([bytes.len()]) {
        requests.push(&bytes[at..cut], &mut passed)?;
        assert!(bytes.starts_with(&passed), "what is passed is what came");
        at = cut;
    }
    Ok((requests.host().map(ToString::to_string), passed, requests.between()))
}

fn check(text: &str, expected: &Result<&str, Unread>) {
    let bytes = text.as_bytes();
    let expected = match expected {
        Ok(host) => Ok((Some((*host).to_owned()), bytes.to_vec(), true)),
        Err(error) => Err(error.clone()),
    };
    assert_eq!(read(bytes), expected, "{text:?}");
    let every: Vec<usize> = (1..bytes.len()).collect();
    assert_eq!(read_pieces(bytes, &every), expected, "byte by byte: {text:?}");
    for cut in 0..bytes.len() {
        assert_eq!(read_pieces(bytes, &[cut]), expected, "cut at {cut}: {text:?}");
    }
}

fn fine(text: &str) {
    check(text, &Ok("one.test"));
}

#[test]
fn the_host_is_found() {
    fine("GET / HTTP/1.1\r\nHost: one.test\r\n\r\n");
    fine("GET / HTTP/1.1\r\nAccept: */*\r\nhOST:One.TEST  \r\nX:\r\n\r\n");
    fine("GET / HTTP/1.0\r\nHost: one.test:80\r\n\r\n");
    fine("OPTIONS * HTTP/1.1\r\nHost:\tone.test\r\n\r\n");
    fine("GET http://one.test HTTP/1.1\r\nHost: one.test\r\n\r\n");
    fine("GET HTTP://One.test/a?b@c HTTP/1.1\r\nHost: one.test\r\n\r\n");
    fine("M-SEARCH /%00\\ HTTP/1.1\r\nHost: one.test\r\nX: \u{e4}\r\n\r\n");
}

#[test]
fn bodies_are_counted() {
    fine("PUT / HTTP/1.1\r\nHost: one.test\r\nContent-Length: 5\r\n\r\nGET /");
    fine(
        "PUT / HTTP/1.1\r\nHost: one.test\r\nContent-Length: 25\r\n\r\n\
         GET / HTTP/1.1\r\nHost: x\r\n\
         GET / HTTP/1.1\r\nHost: one.test\r\nContent-Length: 0\r\n\r\n",
    );
    fine(
        "PUT / HTTP/1.1\r\nHost: one.test\r\nTransfer-Encoding: Chunked\r\nExpect: 100-continue\r\n\r\n\
         0A\r\n0123456789\r\n00000001\r\n\n\r\n0\r\n\r\n\
         GET / HTTP/1.1\r\nHost: one.test\r\nConnection: close, TE\r\n\r\n",
    );
}

#[test]
fn a_later_request_names_the_same_host() {
    check(
        "GET / HTTP/1.1\r\nHost: one.test\r\n\r\nGET / HTTP/1.1\r\nHost: two.test\r\n\r\n",
        &Err(Unread::OtherHost("two.test".parse().expect("a name"))),
    );
    check(
        "PUT / HTTP/1.1\r\nHost: one.test\r\nContent-Length: 1\r\n\r\nxGET / HTTP/1.1\r\n\r\n",
        &Err(Unread::NoHost),
    );
}

#[test]
fn what_names_no_host_is_told() {
    check("GET / HTTP/1.0\r\n\r\n", &Err(Unread::NoHost));
    check("GET http://one.test/ HTTP/1.1\r\n\r\n", &Err(Unread::NoHost));
    for host in [
        "",
        "192.0.2.1",
        "[2001:db8::1]",
        "one.test.",
        "one.test:",
        "one.test:x",
        "one.test:080",
        "one.test:0",
        "one.test:+80",
        "one.test:99999",
        "one.test, two.test",
        "one.test two.test",
        "a@one.test",
        "one.test/",
    ] {
        check(
            &format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n"),
            &Err(Unread::NoName(host.to_owned())),
        );
    }
    check("GET / HTTP/1.1\r\nHost: one.test:8080\r\n\r\n", &Err(Unread::OtherPort(8080)));
}

#[test]
fn what_is_no_http_is_known_early() {
    for text in [
        "SSH-2.0-OpenSSH_9\r\n",
        "\r\n\r\nGET / HTTP/1.1\r\n",
        " GET / HTTP/1.1\r\n",
        "\u{16}\u{3}\u{1}",
        "EHLO\r\n",
        "{\"json\": 1}",
        "a-word-that-is-longer-than-any-method-of-http",
        "GET\tx",
    ] {
        assert_eq!(read(text.as_bytes()), Err(Unread::NotHttp), "{text:?}");
    }
    for text in [
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "GET /\r\n\r\n",
        "GET / HTTP/1.1 \r\n\r\n",
        "GET  / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.2\r\n\r\n",
        "GET / http/1.1\r\n\r\n",
        "GET / x HTTP/1.1\r\n\r\n",
    ] {
        check(text, &Err(Unread::NotHttp));
    }
}

#[test]
fn a_head_is_bounded() {
    let head = |filler: usize| {
        format!("GET / HTTP/1.1\r\nHost: one.test\r\nX: {}\r\n\r\n", "x".repeat(filler))
    };
    let room = MAX_HEAD_BYTES - head(0).len();
    assert!(read(head(room).as_bytes()).is_ok());
    assert_eq!(read(head(room + 1).as_bytes()), Err(Unread::TooLong));
    assert_eq!(read(head(64 << 10).as_bytes()), Err(Unread::TooLong));
    let long = head(64 << 10);
    let mut requests = Requests::new(80);
    let mut passed = Vec::new();
    let error = long.as_bytes().chunks(7).find_map(|chunk| requests.push(chunk, &mut passed).err());
    assert_eq!((error, passed.len()), (Some(Unread::TooLong), 0));
}

/// Requests and what may go wrong with them.
fn fragments() -> impl Strategy<Value = Vec<u8>> {
    let fragment = prop_oneof![
        8 => Just(&b"GET / HTTP/1.1\r\nHost: one.test\r\n"[..]),
        4 => Just(&b"\r\n"[..]),
        2 => Just(&b"Content-Length: 3\r\n"[..]),
        2 => Just(&b"Transfer-Encoding: chunked\r\n"[..]),
        2 => Just(&b"3\r\nabc\r\n"[..]),
        2 => Just(&b"0\r\n\r\n"[..]),
        1 => Just(&b"abc"[..]),
        1 => Just(&b"\n"[..]),
        1 => Just(&b"\r"[..]),
        1 => Just(&b" "[..]),
        1 => Just(&b"Host: two.test\r\n"[..]),
        1 => Just(&b"\0\xff"[..]),
    ];
    prop::collection::vec(fragment, 0..12).prop_map(|fragments| fragments.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn cuts_change_nothing(
        bytes in fragments(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let mut cuts: Vec<usize> =
            cuts.into_iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        cuts.sort_unstable();
        let whole = read(&bytes);
        let pieces = read_pieces(&bytes, &cuts);
        // Which of two faults is told may depend on how it came; that there is one does not.
        prop_assert_eq!(whole.is_ok(), pieces.is_ok());
        if whole.is_ok() {
            prop_assert_eq!(whole, pieces);
        }
    }

    /// A request for two.test is never passed, wherever it is put.
    #[test]
    fn another_host_is_never_passed_as_a_request(bytes in fragments()) {
        let mut requests = Requests::new(80);
        let mut passed = Vec::new();
        if requests.push(&bytes, &mut passed).is_ok() {
            let other = smuggling::lenient_hosts(&passed).into_iter().find(|host| host != "one.test");
            prop_assert!(other.is_none(), "{other:?} in {:?}", passed.escape_ascii().to_string());
        }
    }
}
