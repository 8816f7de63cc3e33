//! Registries that die, stall or drip in the middle of it.

use std::time::{Duration, Instant};

use bytes::Bytes;
use kiln_registry::{
    digest::Digest,
    upstream::{Failure, Upstream, UpstreamError},
};

use crate::{
    client::{client, drained, limits, noise, plain, repository, session, target},
    script::{Say, Seen, Server, answer, head},
};

async fn whole(upstream: &Upstream, server: &Server, content: &Bytes) -> Result<Vec<u8>, String> {
    let (name, digest) = (repository("a/b"), Digest::of(content));
    let download = upstream.blob(&session(&server.host), &name, digest, 0).await;
    let download = download.map_err(|error| error.to_string())?;
    drained(download.chunks).await.map_err(|error| error.to_string())
}

/// From where it was asked for, so many bytes and no more.
fn piece(content: &Bytes, seen: &Seen, most: usize, ranges: bool) -> Vec<Say> {
    let size = content.len();
    let range = seen.header("range").filter(|_| ranges);
    let from = range.map_or(0, |range| {
        range.strip_prefix("bytes=").unwrap().strip_suffix('-').unwrap().parse().unwrap()
    });
    let length = format!("content-length: {}", size - from);
    let said = format!("content-range: bytes {from}-{}/{size}", size - 1);
    let head = match range {
        Some(_) => head("206 Partial Content", &[&length, &said]),
        None => head("200 OK", &[&length]),
    };
    let end = size.min(from + most);
    vec![head, Say::Bytes(content[from..end].to_vec()), Say::Close]
}

#[tokio::test]
async fn a_death_in_mid_layer_is_survived() {
    let content = noise(500_000);
    for ranges in [true, false] {
        let served = content.clone();
        // Each connection is good for a bit more than the last one.
        let server =
            Server::start(move |seen, nth| piece(&served, seen, 60_000 * (nth + 1), ranges));
        let server = server.await;
        let upstream = client(&plain(&server.host), &[]);
        assert_eq!(whole(&upstream, &server, &content).await.unwrap(), content);
        let asked = server.seen();
        assert!(asked.len() > 3, "{}", asked.len());
        let resumed = asked.iter().skip(1).all(|seen| seen.header("range").is_some());
        assert!(resumed, "it asks for what is missing");
    }
}

#[tokio::test]
async fn one_that_gives_nothing_more_is_given_up() {
    let content = noise(10_000);
    let served = content.clone();
    let server = Server::start(move |seen, _| {
        let first = seen.header("range").is_none();
        piece(&served, seen, if first { 5000 } else { 0 }, true)
    });
    let server = server.await;
    let told = whole(&client(&plain(&server.host), &[]), &server, &content).await.unwrap_err();
    assert!(told.contains("cannot be reached"), "{told}");
    assert!(server.seen().len() < 12, "{}", server.seen().len());
    // Nor one that gives a byte each time.
    let served = content.clone();
    let server = Server::start(move |seen, _| piece(&served, seen, 1, true)).await;
    let told = whole(&client(&plain(&server.host), &[]), &server, &content).await.unwrap_err();
    assert!(told.contains("cannot be reached"), "{told}");
    assert!(server.seen().len() < 12, "{}", server.seen().len());
}

#[tokio::test]
async fn stalls_and_drips_are_not_waited_for() {
    let content = noise(10_000);
    let second = Duration::from_secs(1);
    for drips in [false, true] {
        let server = Server::start(move |_, _| {
            let mut says = vec![head("200 OK", &["content-length: 10000"])];
            for _ in 0..if drips { 100 } else { 0 } {
                says.push(Say::Bytes(vec![0]));
                says.push(Say::Wait(second / 20));
            }
            says.push(Say::Wait(second * 60));
            says
        });
        let server = server.await;
        let begun = Instant::now();
        let told = whole(&client(&plain(&server.host), &[]), &server, &content).await.unwrap_err();
        assert!(told.contains("stalls"), "{told}");
        assert!(begun.elapsed() < 10 * second, "{:?}", begun.elapsed());
    }
}

#[tokio::test]
async fn nobody_waits_for_a_head_for_ever() {
    let told = async |says: fn() -> Vec<Say>| {
        let server = Server::start(move |_, _| says()).await;
        let upstream = client(&plain(&server.host), &[]);
        let begun = Instant::now();
        let name = repository("a/b");
        let told = upstream.manifest(&session(&server.host), &name, &target("v1"), false).await;
        let UpstreamError { failure, .. } = told.unwrap_err();
        assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
        failure
    };
    let silent = told(|| vec![Say::Wait(Duration::from_secs(60))]).await;
    assert!(matches!(silent, Failure::Unreachable { .. }), "{silent}");
    let gone = told(|| vec![Say::Close]).await;
    assert!(matches!(gone, Failure::Unreachable { .. }), "{gone}");
    let noise = told(|| vec![Say::Bytes(b"SSH-2.0-x\r\n\r\n".to_vec()), Say::Close]).await;
    assert!(matches!(noise, Failure::Unreachable { .. }), "{noise}");
    let half = told(|| {
        let begun = head("200 OK", &["content-type: application/json", "content-length: 100"]);
        vec![begun, Say::Bytes(b"{".to_vec()), Say::Wait(Duration::from_secs(60))]
    });
    let half = half.await;
    assert!(matches!(half, Failure::Unreachable { .. }), "{half}");
    let failing = told(|| answer("502 Bad Gateway", &[], "<html>")).await;
    assert_eq!(failing, Failure::Failed { status: 502 });
}

#[tokio::test]
async fn patience_is_the_askers() {
    let server = Server::start(|_, _| vec![Say::Wait(Duration::from_secs(60))]).await;
    let upstream = client(&plain(&server.host), &[]);
    let session = session(&server.host).within(Duration::from_millis(300));
    let begun = Instant::now();
    let told = upstream.manifest(&session, &repository("a/b"), &target("v1"), true).await;
    assert!(told.unwrap_err().is_outage());
    assert!(begun.elapsed() < limits().answer, "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_failure_that_passes_is_not_seen() {
    let server = Server::start(|_, nth| match nth {
        0 => answer("500 Internal Server Error", &[], ""),
        1 => vec![Say::Close],
        // A body that ends early.
        2 => vec![head("200 OK", &["content-length: 100"]), Say::Bytes(b"{".to_vec()), Say::Close],
        _ => answer("200 OK", &["content-type: application/json"], "{}"),
    });
    let server = server.await;
    let upstream = client(&plain(&server.host), &[]);
    let name = repository("a/b");
    let found = upstream.manifest(&session(&server.host), &name, &target("v1"), false).await;
    assert_eq!(found.unwrap().digest, Digest::of(b"{}"));
}

/// A connection is used again, and one that the registry closed in the meantime is no failure.
#[tokio::test]
async fn connections_are_used_again() {
    let server = Server::start(|_, nth| {
        let mut says = answer("200 OK", &["content-type: application/json"], "{}");
        if nth == 4 {
            says.push(Say::Close);
        }
        says
    });
    let server = server.await;
    let upstream = client(&plain(&server.host), &[]);
    let name = repository("a/b");
    for _ in 0..10 {
        let found = upstream.manifest(&session(&server.host), &name, &target("v1"), false).await;
        found.unwrap();
    }
    assert_eq!((server.connections(), server.seen().len()), (2, 10));
}
