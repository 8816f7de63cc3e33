//! Registries that never end: what they may take of us.

use std::time::{Duration, Instant};

use kiln_registry::{
    content::MAX_MANIFEST_BYTES,
    upstream::{Failure, Limits},
};

use crate::{
    client::{client, client_with, limits, plain, repository, session, target},
    script::{Say, Server, answer, head},
};

async fn manifest(
    handler: impl Fn(usize) -> Vec<Say> + Send + Sync + 'static,
    only_head: bool,
) -> (Failure, Duration, usize) {
    let server = Server::start(move |_, nth| handler(nth)).await;
    let limits = Limits { operation: Duration::from_secs(3), ..limits() };
    let upstream = client_with(&plain(&server.host), &[], limits);
    let (name, begun) = (repository("a/b"), Instant::now());
    let told = upstream.manifest(&session(&server.host), &name, &target("v1"), only_head).await;
    (told.unwrap_err().failure, begun.elapsed(), server.seen().len())
}

#[tokio::test]
async fn manifests() {
    let too_large = Failure::TooLarge { most: MAX_MANIFEST_BYTES as u64 };
    let kind = "content-type: application/json";
    let (said, ..) = manifest(
        move |_| {
            vec![
                head("200 OK", &[kind, "content-length: 104857600"]),
                Say::Wait(Duration::from_secs(9)),
            ]
        },
        false,
    )
    .await;
    assert_eq!(said, too_large);
    let (said, ..) =
        manifest(move |_| vec![head("200 OK", &[kind, "content-length: 104857600"])], true).await;
    assert_eq!(said, too_large);
    let (endless, ..) = manifest(
        move |_| {
            let mut says = vec![head("200 OK", &[kind, "transfer-encoding: chunked"])];
            let mut chunk = b"100000\r\n".to_vec();
            chunk.resize(chunk.len() + (1 << 20), b' ');
            chunk.extend_from_slice(b"\r\n");
            says.extend((0..100).map(|_| Say::Bytes(chunk.clone())));
            says
        },
        false,
    )
    .await;
    assert_eq!(endless, too_large);
}

#[tokio::test]
async fn heads() {
    let (long, ..) = manifest(
        |_| vec![Say::Bytes(b"HTTP/1.1 200 OK\r\nx: ".to_vec()), Say::Bytes(vec![b'a'; 1 << 20])],
        false,
    )
    .await;
    assert!(matches!(long, Failure::Unreachable { .. }), "{long}");
    let (many, ..) = manifest(
        |_| {
            let lines = "x: y\r\n".repeat(10_000);
            vec![Say::Bytes(format!("HTTP/1.1 200 OK\r\n{lines}\r\n").into_bytes())]
        },
        false,
    )
    .await;
    assert!(matches!(many, Failure::Unreachable { .. }), "{many}");
    // A line each now and then: the limit is for all of it.
    let (slow, took, _) = manifest(
        |_| {
            let mut says = vec![Say::Bytes(b"HTTP/1.1 200 OK\r\n".to_vec())];
            for _ in 0..1000 {
                says.push(Say::Bytes(b"x: y\r\n".to_vec()));
                says.push(Say::Wait(Duration::from_millis(100)));
            }
            says
        },
        false,
    )
    .await;
    assert!(matches!(slow, Failure::Unreachable { .. }), "{slow}");
    assert!(took < Duration::from_secs(12), "{took:?}");
    let (continues, took, _) = manifest(
        |_| {
            let mut says = Vec::new();
            for _ in 0..1000 {
                says.push(Say::Bytes(b"HTTP/1.1 100 Continue\r\n\r\n".to_vec()));
                says.push(Say::Wait(Duration::from_millis(20)));
            }
            says
        },
        false,
    )
    .await;
    assert!(matches!(continues, Failure::Unreachable { .. }), "{continues}");
    assert!(took < Duration::from_secs(12), "{took:?}");
}

#[tokio::test]
async fn errors() {
    let (denied, took, asked) = manifest(
        |_| {
            let mut says = vec![head("403 Forbidden", &["content-length: 10000000000"])];
            says.extend((0..1000).map(|_| Say::Bytes(vec![b'a'; 1 << 16])));
            says
        },
        false,
    )
    .await;
    assert_eq!((denied, asked), (Failure::Denied { credentials: false }, 1));
    assert!(took < Duration::from_secs(5), "{took:?}");
    let unknown = "{\"errors\":[{\"code\":\"UNSUPPORTED\",\"message\":\"m\"}]}";
    let (coded, ..) = manifest(move |_| answer("405 Not Allowed", &[], unknown), false).await;
    assert_eq!(coded, Failure::Rejected { status: 405, code: Some("UNSUPPORTED".to_owned()) });
}

/// However often it says so: a challenge is met once.
#[tokio::test]
async fn challenges() {
    for challenge in [
        "www-authenticate: Bearer realm=\"http://HOST/token\"",
        "www-authenticate: Basic realm=\"r\"",
        "www-authenticate: Negotiate",
        "x: y",
    ] {
        let server = Server::start(move |seen, _| {
            let own = challenge.replace("HOST", seen.header("host").unwrap());
            if seen.line().contains("/token") {
                answer("200 OK", &[], r#"{"token": "t", "expires_in": 300}"#)
            } else {
                answer("401 Unauthorized", &[&own], "{}")
            }
        });
        let server = server.await;
        let upstream = client(&plain(&server.host), &[]);
        let name = repository("a/b");
        let told = upstream.manifest(&session(&server.host), &name, &target("v1"), false).await;
        assert!(matches!(told.unwrap_err().failure, Failure::Unauthorized { .. }));
        assert!(server.seen().len() <= 3, "{:?}", server.lines());
    }
}

/// What a token server sends is bounded too.
#[tokio::test]
async fn tokens() {
    for body in [
        format!("{{\"token\": \"{}\"}}", "a".repeat(20 << 10)),
        " ".repeat(1 << 20),
        "{}".to_owned(),
        "<html>".to_owned(),
        "{\"token\": \"a\\r\\nX-Injected: b\"}".to_owned(),
        "{\"token\": \"\u{e4}\"}".to_owned(),
    ] {
        let server = Server::start(move |seen, _| {
            let host = seen.header("host").unwrap();
            let challenge = format!("www-authenticate: Bearer realm=\"http://{host}/token\"");
            if seen.line().contains("/token") {
                answer("200 OK", &[], &body)
            } else {
                answer("401 Unauthorized", &[&challenge], "{}")
            }
        });
        let server = server.await;
        let upstream = client(&plain(&server.host), &[]);
        let name = repository("a/b");
        let told = upstream.manifest(&session(&server.host), &name, &target("v1"), false).await;
        let told = told.unwrap_err().failure;
        assert!(matches!(told, Failure::NotARegistry { .. } | Failure::TooLarge { .. }), "{told}");
        assert!(server.seen().iter().all(|seen| seen.header("authorization").is_none()));
    }
}
