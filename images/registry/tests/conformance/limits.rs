//! Clients that take their time: on a clock that is turned on, over a pipe in memory.

use std::{sync::Arc, time::Duration};

use kiln_registry::registry::Via;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream},
    task::JoinHandle,
    time::{sleep, timeout},
};

use crate::{
    content,
    stage::{Stage, Told, caller},
};

const LONG: Duration = Duration::from_secs(600);

/// The store works in threads of its own, for which a paused clock would not wait.
fn connected(stage: &Stage) -> (DuplexStream, JoinHandle<()>) {
    let (ours, theirs) = tokio::io::duplex(64 << 10);
    let registry = stage.registry.clone();
    let caller = caller(&stage.tenant, &Arc::new(Told::default()));
    let served = tokio::spawn(async move { registry.serve(theirs, caller, Via::Guest).await });
    tokio::time::pause();
    (ours, served)
}

#[tokio::test]
async fn who_says_nothing_is_left() {
    let stage = Stage::new().await;
    let (_ours, served) = connected(&stage);
    timeout(LONG, served).await.expect("an end").unwrap();
}

#[tokio::test]
async fn who_drips_a_head_is_left() {
    let stage = Stage::new().await;
    let (mut ours, served) = connected(&stage);
    ours.write_all(b"GET /v2/ HTTP/1.1\r\n").await.unwrap();
    let dripping = async {
        for _ in 0..1000 {
            sleep(Duration::from_secs(5)).await;
            if ours.write_all(b"a: b\r\n").await.is_err() {
                return;
            }
        }
        panic!("it listens for ever");
    };
    dripping.await;
    served.await.unwrap();
}

#[tokio::test]
async fn who_idles_after_an_answer_is_left() {
    let stage = Stage::new().await;
    let (mut ours, served) = connected(&stage);
    ours.write_all(b"GET /v2/ HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    timeout(LONG, ours.read_to_end(&mut answer)).await.expect("an end").unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 200 OK"));
    served.await.unwrap();
}

#[tokio::test]
async fn who_sends_no_body_is_answered_and_left() {
    let stage = Stage::new().await;
    let (mut ours, served) = connected(&stage);
    let head = "PUT /v2/local/a/manifests/v1 HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\n";
    ours.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    timeout(LONG, ours.read_to_end(&mut answer)).await.expect("an end").unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 400 the manifest broke off"));
    served.await.unwrap();
}

#[tokio::test]
async fn who_reads_nothing_is_left() {
    let stage = Stage::new().await;
    let digest = stage.push_blob("local/a", &content::blob(1, 4 << 20)).await;
    let (mut ours, mut served) = connected(&stage);
    tokio::time::resume();
    let head = format!("GET /v2/local/a/blobs/{digest} HTTP/1.1\r\nhost: a\r\n\r\n");
    ours.write_all(head.as_bytes()).await.unwrap();
    let mut first = [0; 12];
    ours.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 200");
    // The pipe fills up before the clock is turned on.
    sleep(Duration::from_millis(300)).await;
    assert!(timeout(Duration::ZERO, &mut served).await.is_err(), "it waits for a while");
    tokio::time::pause();
    timeout(LONG, served).await.expect("an end").unwrap();
}

/// A byte now and then is not enough: a blob is held meanwhile.
#[tokio::test]
async fn who_reads_hardly_anything_is_left() {
    let stage = Stage::new().await;
    let digest = stage.push_blob("local/a", &content::blob(1, 4 << 20)).await;
    let (mut ours, served) = connected(&stage);
    tokio::time::resume();
    let head = format!("GET /v2/local/a/blobs/{digest} HTTP/1.1\r\nhost: a\r\n\r\n");
    ours.write_all(head.as_bytes()).await.unwrap();
    let mut first = [0; 12];
    ours.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 200");
    sleep(Duration::from_millis(300)).await;
    tokio::time::pause();
    let dripping = async {
        for _ in 0..100 {
            sleep(Duration::from_secs(5)).await;
            ours.read_exact(&mut [0; 100]).await.unwrap();
        }
    };
    tokio::select! {
        () = dripping => panic!("it waits for ever"),
        ended = served => ended.unwrap(),
    }
}

/// A guest that asks for much and takes nothing of it has so much of this host's memory.
#[tokio::test]
async fn who_leaves_manifests_unread_is_told_to_ask_for_fewer() {
    let stage = Stage::new().await;
    let (config, layer) = (content::blob(1, 64), content::blob(2, 300));
    stage.push_blob("local/a", &config).await;
    stage.push_blob("local/a", &layer).await;
    let mut image = content::image(&config, &[&layer]);
    let annotations: serde_json::Map<_, _> =
        (0..390).map(|at| (format!("org.example.{at}"), "a".repeat(10_000).into())).collect();
    image["annotations"] = annotations.into();
    stage.put("local/a", "v1", &image).await.has(201);
    let ask = async || {
        let (mut ours, served) = connected(&stage);
        tokio::time::resume();
        let head = b"GET /v2/local/a/manifests/v1 HTTP/1.1\r\nhost: a\r\n\r\n";
        ours.write_all(head).await.unwrap();
        (ours, served)
    };
    let mut unread = Vec::new();
    for _ in 0..8 {
        let (mut ours, served) = ask().await;
        let mut first = [0; 12];
        ours.read_exact(&mut first).await.unwrap();
        assert_eq!(&first, b"HTTP/1.1 200");
        unread.push((ours, served));
    }
    let (mut ours, served) = ask().await;
    // Others are served meanwhile.
    let stranger = stage.stranger(Via::Guest).await;
    stranger.get("/v2/local/a/manifests/v1").await.fails(404, "MANIFEST_UNKNOWN");
    tokio::time::pause();
    let mut first = [0; 12];
    timeout(LONG, ours.read_exact(&mut first)).await.expect("an answer").unwrap();
    assert_eq!(&first, b"HTTP/1.1 429");
    tokio::time::resume();
    drop((ours, unread));
    served.await.unwrap();
    stage.client.get("/v2/local/a/manifests/v1").await.has(200);
}
