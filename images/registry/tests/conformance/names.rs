//! Which repository is meant, and who may ask at all.

use hyper::Method;

use crate::{client::Reply, stage::Stage};

/// What the mirror was asked for, for a tag of this name.
async fn asked(stage: &Stage, target: &str) -> String {
    stage.outside.asked.lock().unwrap().clear();
    stage.client.get(target).await.fails(404, "MANIFEST_UNKNOWN");
    stage.outside.asked.lock().unwrap().join("; ")
}

#[tokio::test]
async fn other_registries_are_asked_of_the_mirror() {
    let stage = Stage::new().await;
    for (target, expected) in [
        ("/v2/library/debian/manifests/12?ns=docker.io", "docker.io/library/debian 12"),
        ("/v2/debian/manifests/12?ns=docker.io", "docker.io/library/debian 12"),
        ("/v2/docker.io/debian/manifests/12", "docker.io/library/debian 12"),
        ("/v2/registry.example_5443/a/b/manifests/v1", "registry.example:5443/a/b v1"),
        ("/v2/localhost_5000/a/manifests/v1", "localhost:5000/a v1"),
        ("/v2/local/a/manifests/v1?ns=registry.example%3A5000", "registry.example:5000/local/a v1"),
        ("http://registry.example/v2/a/manifests/v1", "registry.example/a v1"),
        ("http://registry.example/v2/a/manifests/v1?ns=docker.io", "docker.io/library/a v1"),
        ("/v2/local/a/manifests/v1?ns=registry.kiln:5000", ""),
        ("http://registry.kiln:5000/v2/local/a/manifests/v1", ""),
        ("http://127.0.0.1:5000/v2/local/a/manifests/v1", ""),
    ] {
        assert_eq!(asked(&stage, target).await, expected, "{target}");
    }
}

#[tokio::test]
async fn names_that_mean_nothing_are_told_what_would() {
    let stage = Stage::new().await;
    for target in ["/v2/app/manifests/v1", "/v2/library/debian/tags/list", "/v2/local/manifests/v1"]
    {
        let reply = stage.client.get(target).await.fails(404, "NAME_UNKNOWN");
        assert!(reply.reason.contains("local/NAME"), "{reply:?}");
    }
    for name in ["local/App", "local/a..b", "local/%2e%2e/a", "docker.io/a__", "local//a"] {
        let reply = stage.client.get(&format!("/v2/{name}/manifests/v1")).await;
        reply.fails(400, "NAME_INVALID");
    }
    let longest = format!("local/{}", "a".repeat(255));
    stage.push_blob(&longest, b"x").await;
    let reply = stage.client.get(&format!("/v2/{longest}a/tags/list")).await;
    reply.fails(400, "NAME_INVALID");
    let tag = "t".repeat(128);
    let (_, image) = stage.push_image("local/app", &tag, 1).await;
    stage.put("local/app", &format!("{tag}t"), &image).await.fails(400, "NAME_INVALID");
}

#[tokio::test]
async fn what_is_elsewhere_is_not_changed_here() {
    let stage = Stage::new().await;
    let digest = format!("sha256:{}", "0".repeat(64));
    for (method, target) in [
        (Method::POST, "/v2/app/blobs/uploads/?ns=registry.example".to_owned()),
        (Method::POST, "/v2/docker.io/a/blobs/uploads/".to_owned()),
        (Method::PATCH, "/v2/docker.io/a/blobs/uploads/1".to_owned()),
        (Method::PUT, "/v2/docker.io/a/manifests/v1".to_owned()),
        (Method::DELETE, "/v2/docker.io/a/manifests/v1".to_owned()),
        (Method::DELETE, format!("/v2/docker.io/a/blobs/{digest}")),
    ] {
        let reply = stage.client.ask(method, &target).send().await.fails(403, "DENIED");
        assert!(reply.reason.contains("local/NAME"), "{reply:?}");
    }
    for target in ["/v2/docker.io/a/tags/list", &format!("/v2/docker.io/a/referrers/{digest}")] {
        stage.client.get(target).await.fails(404, "UNSUPPORTED");
    }
    let proxied = "http://registry.example/v2/a/manifests/v1";
    stage.client.get(proxied).await.fails(404, "MANIFEST_UNKNOWN");
    let asked = std::mem::take(&mut *stage.outside.asked.lock().unwrap());
    assert_eq!(asked, ["registry.example/a v1"]);
    assert_eq!(stage.told.refused.lock().unwrap().len(), 8);
}

/// A page in a browser can make it call here, by a name that was made to lead here too.
#[tokio::test]
async fn browsers_get_nothing_on_loopback() {
    let stage = Stage::new().await;
    let ask =
        |header: (&str, &str)| stage.client.ask(Method::GET, "/v2/").header(header.0, header.1);
    let denied = |reply: Reply| reply.fails(403, "DENIED");
    denied(ask(("host", "rebound.example:5000")).send().await);
    denied(ask(("host", "192.0.2.1:5000")).send().await);
    denied(ask(("origin", "http://page.example")).send().await);
    denied(ask(("origin", "null")).send().await);
    denied(ask(("sec-fetch-site", "cross-site")).send().await);
    ask(("sec-fetch-site", "none")).send().await.has(200);
    for host in ["localhost", "127.0.0.1:80", "[::1]:5000"] {
        ask(("host", host)).send().await.has(200);
    }
    // Whatever a guest calls its registry, it has no other.
    let guest = stage.guest().await;
    guest.ask(Method::GET, "/v2/").header("host", "registry.kiln:5000").send().await.has(200);
}
