//! What nobody honest sends.

use std::time::Duration;

use hyper::Method;
use kiln_registry::{digest::Digest, registry::Via, store::Limits};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::{content, stage::Stage};

/// Sends it and reads what comes until the connection ends.
async fn say(stage: &Stage, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(stage.client.address).await.unwrap();
    let _ = stream.write_all(bytes).await;
    let _ = stream.shutdown().await;
    let mut answer = Vec::new();
    let read = stream.read_to_end(&mut answer);
    let _ = tokio::time::timeout(Duration::from_secs(10), read).await.expect("an end");
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn what_is_no_http_gets_no_further() {
    let stage = Stage::new().await;
    let many = (0..200).map(|at| format!("x-{at}: y\r\n")).collect::<Vec<_>>().concat();
    for bytes in [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
        b"GET\r\n\r\n".to_vec(),
        b"GET /v2/ HTTP/1.1\r\nhost: localhost\r\nx: \x00\r\n\r\n".to_vec(),
        format!("GET /v2/ HTTP/1.1\r\nhost: localhost\r\nx: {}\r\n\r\n", "y".repeat(64 << 10)).into(),
        format!("GET /v2/ HTTP/1.1\r\nhost: localhost\r\n{many}\r\n").into(),
        format!("GET /{} HTTP/1.1\r\nhost: localhost\r\n\r\n", "a".repeat(40 << 10)).into(),
        b"POST /v2/local/a/blobs/uploads/ HTTP/1.1\r\nhost: localhost\r\ncontent-length: -1\r\n\r\n"
            .to_vec(),
        b"POST /v2/ HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello".to_vec(),
    ] {
        let answer = say(&stage, &bytes).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
    }
    assert!(say(&stage, b"GET /v2/ HTTP/1.0\r\nhost: localhost\r\n\r\n").await.contains("200 OK"));
    stage.client.get("/v2/").await.has(200);
}

#[tokio::test]
async fn manifests_that_are_none() {
    let stage = Stage::new().await;
    let blob = stage.push_blob("local/app", b"{}").await;
    let put = async |media_type: &str, bytes: &[u8]| {
        stage.put_bytes("local/app", "v1", media_type, bytes.to_vec()).await
    };
    let nested = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let lying = format!(
        r#"{{"schemaVersion":2,"config":{{"mediaType":"a/b","digest":"{blob}","size":-1}},"layers":[]}}"#
    );
    let both = r#"{"schemaVersion":2,"config":{},"layers":[],"manifests":[]}"#;
    for bytes in ["", "null", "[]", "{}", "<html></html>", &nested, &lying, both] {
        put(content::IMAGE, bytes.as_bytes()).await.fails(400, "MANIFEST_INVALID");
    }
    let image = content::image(b"{}", &[]);
    let image = content::bytes(&image);
    put(content::INDEX, &image).await.fails(400, "MANIFEST_INVALID");
    let layer = content::descriptor(content::LAYER, b"{}");
    let mut many = content::image(b"{}", &[]);
    many["layers"] = vec![layer; 10_000].into();
    put(content::IMAGE, &content::bytes(&many)).await.fails(400, "MANIFEST_INVALID");
    put(content::IMAGE, &image).await.has(201);
}

/// The head promises more than 4 MiB: nothing of it is read.
#[tokio::test]
async fn a_hundred_megabytes_are_no_manifest() {
    let stage = Stage::new().await;
    let head = "PUT /v2/local/app/manifests/v1 HTTP/1.1\r\nhost: localhost\r\n\
                content-type: application/vnd.oci.image.manifest.v1+json\r\n\
                content-length: 104857600\r\n\r\n";
    let answer = say(&stage, head.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    // A length that is not told is counted.
    let body = vec![b' '; 6 << 20];
    let mut chunked = format!("{:x}\r\n", body.len()).into_bytes();
    chunked.extend(body);
    chunked.extend(b"\r\n0\r\n\r\n");
    let head = head.replace("content-length: 104857600", "transfer-encoding: chunked");
    let mut stream = TcpStream::connect(stage.client.address).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    let (mut reading, mut writing) = stream.split();
    let mut answer = Vec::new();
    let (_, read) = tokio::join!(writing.write_all(&chunked), reading.read_to_end(&mut answer));
    read.unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 413 "));
}

/// Whatever arrived of it, the session tells; and it is gone on with from there.
#[tokio::test]
async fn uploads_broken_off_at_every_byte_go_on() {
    let stage = Stage::new().await;
    let bytes = content::blob(1, 12);
    for broken_at in 0..=bytes.len() {
        let begun = stage.client.post("/v2/local/app/blobs/uploads/").await.has(202);
        let location = begun.location();
        let mut stream = TcpStream::connect(stage.client.address).await.unwrap();
        let head = format!(
            "PATCH {location} HTTP/1.1\r\nhost: localhost\r\ncontent-range: 0-11\r\n\
             content-length: 12\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(&bytes[..broken_at]).await.unwrap();
        drop(stream);
        for attempt in 0.. {
            let status = stage.client.get(location).await.has(204);
            let last: usize = status.header("range").strip_prefix("0-").unwrap().parse().unwrap();
            assert!(last <= broken_at.saturating_sub(1), "{last} of {broken_at}");
            // Of nothing the specification says the same as of one byte: both are tried.
            let stored = if last == 0 { attempt % 2 } else { last + 1 };
            if stored == bytes.len() {
                break;
            }
            let patch = stage.client.ask(Method::PATCH, location);
            let patch = patch.header("content-range", &format!("{stored}-11"));
            match patch.body(bytes[stored..].to_vec()).send().await.status {
                202 => break,
                // What was broken off may still have been on its way.
                416 if attempt < 50 => {}
                status => panic!("{status} after {broken_at} bytes"),
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let close = format!("{location}?digest={}", Digest::of(&bytes));
        stage.client.ask(Method::PUT, &close).send().await.has(201);
    }
}

#[tokio::test]
async fn a_quota_is_told_in_words() {
    let limits = Limits { tenant_bytes: 2000, ..Limits::default() };
    let stage = Stage::with(limits).await;
    stage.push_blob("local/app", &content::blob(1, 600)).await;
    let bytes = content::blob(2, 600);
    let target = format!("/v2/local/app/blobs/uploads/?digest={}", Digest::of(&bytes));
    let posted = stage.client.ask(Method::POST, &target).body(bytes.clone()).send().await;
    let posted = posted.fails(403, "DENIED");
    assert!(posted.reason.contains("2000 bytes"), "{posted:?}");
    let begun = stage.client.post("/v2/local/app/blobs/uploads/").await.has(202);
    let patch = stage.client.ask(Method::PATCH, begun.location()).body(bytes).send().await;
    patch.fails(403, "DENIED");
    assert_eq!(stage.told.refused.lock().unwrap().len(), 2);
}

/// Sessions are files, and those that nobody goes on with stay for a day.
#[tokio::test]
async fn open_uploads_are_bounded() {
    let stage = Stage::new().await;
    let post = || stage.client.post("/v2/local/app/blobs/uploads/");
    let first = post().await.has(202);
    for _ in 1..1000 {
        post().await.has(202);
    }
    post().await.fails(429, "TOOMANYREQUESTS");
    stage.stranger(Via::Loopback).await.post("/v2/local/app/blobs/uploads/").await.has(202);
    stage.client.delete(first.location()).await.has(204);
    post().await.has(202);
}

/// The answer is read to its end though it came before the content did.
#[tokio::test]
async fn an_early_refusal_reaches_a_client_that_still_writes() {
    let stage = Stage::with(Limits { tenant_bytes: 1000, ..Limits::default() }).await;
    let begun = stage.client.post("/v2/local/app/blobs/uploads/").await.has(202);
    let mut stream = TcpStream::connect(stage.client.address).await.unwrap();
    let (mut reading, mut writing) = stream.split();
    let head = format!(
        "PATCH {} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n\r\n",
        begun.location(),
        32 << 20,
    );
    writing.write_all(head.as_bytes()).await.unwrap();
    let body = vec![0; 32 << 20];
    let mut answer = Vec::new();
    let (written, read) = tokio::join!(writing.write_all(&body), reading.read_to_end(&mut answer));
    written.unwrap();
    read.unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 403 "), "{}", String::from_utf8_lossy(&answer));
}
