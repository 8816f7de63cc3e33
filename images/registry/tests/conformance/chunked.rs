//! Pushing blobs piece by piece.

use hyper::Method;
use kiln_registry::digest::Digest;

use crate::{client::Reply, content, stage::Stage};

const UPLOADS: &str = "/v2/local/app/blobs/uploads/";

async fn send(stage: &Stage, method: Method, target: &str, at: usize, bytes: &[u8]) -> Reply {
    let range = format!("{at}-{}", at + bytes.len() - 1);
    let ask = stage.client.ask(method, target).header("content-range", &range);
    ask.header("content-type", "application/octet-stream").body(bytes.to_vec()).send().await
}

async fn begun(stage: &Stage) -> String {
    stage.client.post(UPLOADS).await.has(202).location().to_owned()
}

/// Closes it with what is left of it, and reads it.
async fn close(stage: &Stage, location: &str, whole: &[u8], rest: usize) {
    let target = format!("{location}?digest={}", Digest::of(whole));
    let put = match &whole[rest..] {
        [] => stage.client.ask(Method::PUT, &target).send().await,
        rest_of_it => send(stage, Method::PUT, &target, rest, rest_of_it).await,
    };
    let put = put.has(201);
    assert_eq!(stage.client.get(put.location()).await.has(200).body, whole);
}

#[tokio::test]
async fn one_chunk_and_many() {
    let stage = Stage::new().await;
    let bytes = content::blob(1, 3067);
    for (step, in_put) in [(3067, 3067), (1024, 3067), (1024, 2048), (1, 3060)] {
        let bytes = content::blob(step as u64 + in_put as u64, bytes.len());
        let mut location = begun(&stage).await;
        for at in (0..in_put).step_by(step) {
            let chunk = &bytes[at..bytes.len().min(at + step)];
            if step == 1 && at > 5 {
                // Enough of those: what is left goes in one.
                send(&stage, Method::PATCH, &location, at, &bytes[at..in_put]).await.has(202);
                break;
            }
            let reply = send(&stage, Method::PATCH, &location, at, chunk).await.has(202);
            assert_eq!(reply.header("range"), format!("0-{}", at + chunk.len() - 1));
            reply.location().clone_into(&mut location);
        }
        close(&stage, &location, &bytes, in_put).await;
    }
}

#[tokio::test]
async fn a_stream_has_no_range() {
    let stage = Stage::new().await;
    let bytes = content::blob(1, 512);
    let location = begun(&stage).await;
    let patch =
        |chunk: &[u8]| stage.client.ask(Method::PATCH, &location).body(chunk.to_vec()).send();
    let reply = patch(&bytes[..300]).await.has(202);
    assert_eq!(reply.header("range"), "0-299");
    assert_eq!(patch(&bytes[300..]).await.has(202).header("range"), "0-511");
    close(&stage, &location, &bytes, 512).await;
}

#[tokio::test]
async fn a_stream_may_have_no_length() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    let stage = Stage::new().await;
    let location = begun(&stage).await;
    let mut stream = tokio::net::TcpStream::connect(stage.client.address).await.unwrap();
    let head = format!(
        "PATCH {location} HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\
         connection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(b"5\r\nhello\r\n").await.unwrap();
    tokio::task::yield_now().await;
    stream.write_all(b"6\r\n world\r\n0\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 202"), "{answer}");
    close(&stage, &location, b"hello world", 11).await;
}

#[tokio::test]
async fn out_of_order_is_told_and_spoils_nothing() {
    let stage = Stage::new().await;
    let bytes = content::blob(1, 3067);
    let (first, second, last) = (&bytes[..1024], &bytes[1024..2048], &bytes[2048..]);
    for last_by_put in [false, true] {
        let begun = begun(&stage).await;
        let out_of_order = async |at, chunk: &[u8], stored: usize| {
            let reply = send(&stage, Method::PATCH, &begun, at, chunk).await;
            let reply = reply.fails(416, "BLOB_UPLOAD_INVALID");
            let range = format!("0-{}", stored.saturating_sub(1));
            assert_eq!(reply.header("range"), range);
            let status = stage.client.get(&begun).await.has(204);
            assert_eq!(status.header("range"), range);
            assert!(!status.location().is_empty());
        };
        out_of_order(1024, second, 0).await;
        send(&stage, Method::PATCH, &begun, 0, first).await.has(202);
        out_of_order(2048, last, 1024).await;
        out_of_order(0, first, 1024).await;
        send(&stage, Method::PATCH, &begun, 1024, second).await.has(202);
        out_of_order(0, first, 2048).await;
        if last_by_put {
            let target = format!("{begun}?digest={}", Digest::of(&bytes));
            let reply = send(&stage, Method::PUT, &target, 2049, &bytes[2049..]).await;
            reply.fails(416, "BLOB_UPLOAD_INVALID");
            stage.client.get(&target).await.has(204);
            close(&stage, &begun, &bytes, 2048).await;
        } else {
            send(&stage, Method::PATCH, &begun, 2048, last).await.has(202);
            close(&stage, &begun, &bytes, 3067).await;
        }
    }
}

#[tokio::test]
async fn ranges_that_lie_are_refused() {
    let stage = Stage::new().await;
    let location = begun(&stage).await;
    for range in ["0-3", "0-5", "", "a-b", "4-0", "0-18446744073709551615"] {
        let patch = stage.client.ask(Method::PATCH, &location).header("content-range", range);
        let reply = patch.body("hello").send().await.has(400);
        assert!(
            ["SIZE_INVALID", "BLOB_UPLOAD_INVALID"].contains(&code(&reply).as_str()),
            "{range}"
        );
        let status = stage.client.get(&location).await.has(204);
        assert_eq!(status.header("range"), "0-0", "{range}");
    }
    send(&stage, Method::PATCH, &location, 0, b"hello").await.has(202);
}

#[tokio::test]
async fn a_session_is_cancelled() {
    let stage = Stage::new().await;
    let location = begun(&stage).await;
    send(&stage, Method::PATCH, &location, 0, b"hello").await.has(202);
    stage.client.delete(&location).await.has(204);
    for method in [Method::GET, Method::DELETE, Method::PATCH] {
        let reply = stage.client.ask(method, &location).send().await;
        reply.fails(404, "BLOB_UPLOAD_UNKNOWN");
    }
    for id in ["none", "..", "%2e%2e%2f", &"a".repeat(5000)] {
        stage.client.get(&format!("{UPLOADS}{id}")).await.has(404);
    }
    stage.client.ask(Method::POST, &location).send().await.has(405);
}

#[tokio::test]
async fn a_session_is_of_its_repository() {
    let stage = Stage::new().await;
    let location = begun(&stage).await;
    let elsewhere = location.replace("local/app", "local/other");
    stage.client.get(&elsewhere).await.fails(404, "BLOB_UPLOAD_UNKNOWN");
    stage.client.get(&location).await.has(204);
}

fn code(reply: &Reply) -> String {
    reply.json()["errors"][0]["code"].as_str().unwrap().to_owned()
}
