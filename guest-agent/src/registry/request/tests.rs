use super::*;

fn requests(namespace: Option<&str>) -> Requests {
    Requests::new("registry.kiln:5000".to_owned(), namespace.map(str::to_owned))
}

/// However it is cut.
fn check(namespace: Option<&str>, text: &str, expected: Result<&str, NoRequest>) {
    for step in [1, 2, 3, 7, text.len().max(1)] {
        let mut requests = requests(namespace);
        let mut passed = Ok(Vec::new());
        for part in text.as_bytes().chunks(step) {
            match requests.push(part) {
                Ok(more) => passed.as_mut().unwrap().extend(more.bytes),
                Err(error) => {
                    passed = Err(error);
                    break;
                }
            }
        }
        let passed = passed.map(|bytes| String::from_utf8(bytes).unwrap());
        assert_eq!(passed.as_deref().map_err(|error| *error), expected, "{text:?} by {step}");
    }
}

#[test]
fn each_request_says_of_which_registry_it_is() {
    check(
        Some("docker.io"),
        "HEAD /v2/library/a/manifests/1 HTTP/1.1\r\nHost: registry-1.docker.io\r\nAccept: x\r\n\r\n\
         GET /v2/a?x=1 HTTP/1.1\r\nhost: b\r\nTraceparent: t\r\n\r\n",
        Ok("HEAD /v2/library/a/manifests/1?ns=docker.io HTTP/1.1\r\nHost: registry.kiln:5000\r\n\
            Accept: x\r\n\r\n\
            GET /v2/a?x=1&ns=docker.io HTTP/1.1\r\nHost: registry.kiln:5000\r\nTraceparent: t\r\n\r\n"),
    );
    check(
        None,
        "GET /v2/ HTTP/1.1\r\n\r\n",
        Ok("GET /v2/ HTTP/1.1\r\nHost: registry.kiln:5000\r\n\r\n"),
    );
}

#[test]
fn bodies_are_passed_on_as_they_are() {
    let head = |body: &str| {
        format!("PUT /u HTTP/1.1\r\n{body}\r\n").replace('|', "\r\n")
            + if body.contains("Length: 5") { "a\r\n\r\n" } else { "3\r\nGET\r\n0\r\n\r\n" }
            + "GET / HTTP/1.1\r\n\r\n"
    };
    for body in ["Content-Length: 5|", "Transfer-Encoding: chunked|"] {
        let text = head(body);
        let expected = text
            .replace("PUT /u HTTP/1.1\r\n", "PUT /u?ns=a HTTP/1.1\r\nHost: registry.kiln:5000\r\n")
            .replace("GET / HTTP/1.1\r\n", "GET /?ns=a HTTP/1.1\r\nHost: registry.kiln:5000\r\n");
        check(Some("a"), &text, Ok(&expected));
    }
}

#[test]
fn what_is_no_request_ends_the_connection() {
    for line in [
        "GET http://a/ HTTP/1.1",
        "CONNECT a:443 HTTP/1.1",
        "GET / HTTP/1.0",
        "GET /",
        " / HTTP/1.1",
        "GET / HTTP/1.1 ",
        "PRI * HTTP/2.0",
        "GET / HTTP/1.1\r\nno colon",
        "GET / HTTP/1.1\r\n: x",
        "GET / HTTP/1.1\r\nA b: x",
        "GET / HTTP/1.1\r\n folded: x",
        "PUT / HTTP/1.1\r\nContent-Length: +5",
        "PUT / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 5",
        "PUT / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked",
        "PUT / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked",
        "PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
    ] {
        let text = format!("{line}\r\n\r\n");
        for step in [1, text.len()] {
            let mut requests = requests(None);
            assert!(
                text.as_bytes().chunks(step).any(|part| requests.push(part).is_err()),
                "{line}"
            );
        }
    }
    let long = format!("GET / HTTP/1.1\r\nA: {}", "x".repeat(MAX_HEAD_BYTES));
    assert_eq!(requests(None).push(long.as_bytes()), Err(NoRequest));
    assert_eq!(requests(None).push(b"GET /\xff HTTP/1.1\r\n\r\n"), Err(NoRequest));
}

#[test]
fn what_changes_nothing_can_be_sent_again() {
    for (text, again) in [
        ("GET / HTTP/1.1\r\n\r\n", true),
        ("HEAD / HTTP/1.1\r\nContent-Length: 0\r\n\r\n", true),
        ("GET / HTTP/1.1\r\nContent-Length: 1\r\n\r\n", false),
        ("POST / HTTP/1.1\r\n\r\n", false),
        ("DELETE / HTTP/1.1\r\n\r\n", false),
    ] {
        let passed = requests(Some("a")).push(text.as_bytes()).unwrap();
        assert_eq!(passed.again.is_some(), again, "{text}");
        assert!(passed.began && passed.again.is_none_or(|head| head == passed.bytes));
    }
}
