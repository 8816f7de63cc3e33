//! Whether a registry has something, where it sends those who ask to another place.

use kiln_registry::{
    digest::Digest,
    upstream::{Failure, Presence, UpstreamError},
};
use serde_json::{Value, json};

use crate::{
    client::{client, repository, session, target},
    real::private,
    script::{Say, Seen, Server, answer, head},
};

/// Plain ones on loopback.
fn known(servers: &[&Server]) -> Value {
    let entry =
        |server: &&Server| (server.host.to_string(), json!({"http": true, "private": true}));
    let registries: serde_json::Map<_, _> = servers.iter().map(entry).collect();
    json!({"registries": registries})
}

async fn presence(file: &Value, registry: &Server, of: &[u8]) -> Result<Presence, UpstreamError> {
    let name = repository("team/app");
    client(file, &[]).has_blob(&session(&registry.host), &name, Digest::of(of)).await
}

/// Sends everybody there.
async fn redirecting(to: &Server) -> Server {
    let location = format!("location: http://{}/there", to.host);
    Server::start(move |_, _| answer("307 Temporary Redirect", &[&location], "")).await
}

fn byte(seen: &Seen) -> Vec<Say> {
    match seen.header("range") {
        Some("bytes=0-0") => {
            answer("206 Partial Content", &["content-range: bytes 0-0/1234567"], "x")
        }
        Some(_) => answer("416 Range Not Satisfiable", &[], ""),
        None => answer("200 OK", &[], ""),
    }
}

#[tokio::test]
async fn a_blob_that_lies_elsewhere_is_there_when_it_can_be_read_there() {
    let elsewhere = Server::start(|seen, _| byte(seen)).await;
    let registry = redirecting(&elsewhere).await;
    let file = known(&[&registry, &elsewhere]);
    let found = presence(&file, &registry, b"x").await.unwrap();
    assert_eq!(found, Presence { size: Some(1_234_567), anonymous: true });
    assert_eq!(elsewhere.lines(), ["GET /there HTTP/1.1"]);
    let found = presence(&file, &registry, b"").await.unwrap();
    assert_eq!(found, Presence { size: Some(0), anonymous: true }, "nothing has no first byte");
}

#[tokio::test]
async fn one_that_sends_all_of_it_is_not_read_to_the_end() {
    let elsewhere = Server::start(|_, _| vec![head("200 OK", &["content-length: 99999999"])]).await;
    let registry = redirecting(&elsewhere).await;
    let file = known(&[&registry, &elsewhere]);
    let found = presence(&file, &registry, b"x").await.unwrap();
    assert_eq!(found, Presence { size: Some(99_999_999), anonymous: true });
}

#[tokio::test]
async fn being_sent_elsewhere_grants_nothing() {
    for status in ["403 Forbidden", "404 Not Found", "304 Not Modified", "204 No Content"] {
        let elsewhere = Server::start(move |_, _| answer(status, &[], "")).await;
        let registry = redirecting(&elsewhere).await;
        let file = known(&[&registry, &elsewhere]);
        presence(&file, &registry, b"x").await.unwrap_err();
        assert!(!elsewhere.lines().is_empty(), "{status}");
    }
    for status in ["300 Multiple Choices", "304 Not Modified", "305 Use Proxy"] {
        let registry = Server::start(move |_, _| answer(status, &["location: /there"], "")).await;
        let told = presence(&known(&[&registry]), &registry, b"x").await.unwrap_err();
        assert!(matches!(told.failure, Failure::NotARegistry { .. }), "{status}: {told}");
        assert_eq!(registry.lines().len(), 1, "{status}");
    }
}

#[tokio::test]
async fn it_is_nobodys_who_had_to_say_who_they_are() {
    let elsewhere = Server::start(|seen, _| byte(seen)).await;
    // Its answer to HEAD is the same for all; what it is about stands behind a password.
    let location = format!("location: http://{}/there", elsewhere.host);
    let registry = Server::start(move |seen, _| {
        let is_head = seen.line().starts_with("HEAD");
        match seen.header("authorization") {
            None if !is_head => {
                answer("401 Unauthorized", &["www-authenticate: Basic realm=\"r\""], "{}")
            }
            _ => answer("307 Temporary Redirect", &[&location], ""),
        }
    });
    let registry = registry.await;
    let mut file = known(&[&registry, &elsewhere]);
    let told = presence(&file, &registry, b"x").await.unwrap_err();
    assert_eq!(told.failure, Failure::Unauthorized { credentials: false, withheld: None });
    assert!(elsewhere.seen().is_empty());
    let directory = tempfile::tempdir().unwrap();
    let password = private(directory.path().join("password"), "secret");
    file["credentials"] = json!([{"registry": registry.host.as_str(), "tenants": ["*"],
        "username": "u", "password_file": password}]);
    let found = presence(&file, &registry, b"x").await.unwrap();
    assert_eq!(found, Presence { size: Some(1_234_567), anonymous: false });
    assert!(elsewhere.seen().iter().all(|seen| seen.header("authorization").is_none()));
}

#[tokio::test]
async fn a_manifest_that_lies_elsewhere_is_read_there() {
    let elsewhere = Server::start(|_, _| {
        answer("200 OK", &["content-type: application/vnd.oci.image.manifest.v1+json"], "{}")
    });
    let elsewhere = elsewhere.await;
    let registry = redirecting(&elsewhere).await;
    let upstream = client(&known(&[&registry, &elsewhere]), &[]);
    let (session, name) = (session(&registry.host), repository("team/app"));
    let found = upstream.manifest(&session, &name, &target("v1"), true).await.unwrap();
    assert_eq!((found.digest, found.anonymous), (Digest::of(b"{}"), true));
    assert_eq!(elsewhere.lines(), ["GET /there HTTP/1.1"]);
    assert_eq!(registry.lines().len(), 2, "its head, and where it is");
}
