//! Nothing secret is shown: not in errors, not in what is printed for people who look for one.

use std::time::Duration;

use base64::{Engine, prelude::BASE64_STANDARD};
use kiln_registry::{digest::Digest, registries::Registries, upstream::Upstream};
use serde_json::json;

use crate::{
    client::{client, repository, session, target},
    push::InMemory,
    real::private,
    script::{Seen, Server, answer},
};

const PLANTED: &str = "planted-3f9c-secret";

/// A registry that says back whatever it is shown, in all ways there are.
fn parrot(status: &'static str, seen: &Seen) -> Vec<crate::script::Say> {
    let shown = seen.header("authorization").unwrap_or_default();
    let words = format!("{shown} {PLANTED} {}", BASE64_STANDARD.encode(format!("u:{PLANTED}")));
    let error = json!({"errors": [{"code": words, "message": words, "detail": words}]});
    let headers = [
        format!("www-authenticate: Basic realm=\"{words}\""),
        format!("location: https://elsewhere.example/{PLANTED}?signature={PLANTED}"),
        format!("docker-content-digest: {PLANTED}"),
        format!("content-type: {PLANTED}"),
        format!("warning: {words}"),
    ];
    let headers: Vec<_> = headers.iter().map(String::as_str).collect();
    answer(status, &headers, error.to_string())
}

async fn told(upstream: &Upstream, server: &Server) -> String {
    let session = session(&server.host).within(Duration::from_millis(500));
    let name = repository("team/app");
    let digest = Digest::of(b"x");
    let source = InMemory("x".into());
    let mut told = vec![format!("{upstream:?} {session:?}")];
    let by_tag = target("v1");
    for head in [true, false] {
        let found = upstream.manifest(&session, &name, &by_tag, head).await;
        told.push(format!("{found:?}"));
        told.extend(found.err().map(|error| error.to_string()));
    }
    let blob = upstream.blob(&session, &name, digest, 0).await;
    told.push(format!("{blob:?}"));
    told.extend(blob.err().map(|error| error.to_string()));
    let pushed = upstream.push_blob(&session, &name, digest, 1, None, &source).await;
    told.push(format!("{pushed:?}"));
    told.extend(pushed.err().map(|error| error.to_string()));
    let put = upstream.put_manifest(&session, &name, &by_tag, "a/b", "{}".into()).await;
    told.push(format!("{put:?}"));
    told.extend(put.err().map(|error| error.to_string()));
    told.join("\n")
}

#[tokio::test]
async fn no_error_says_what_was_sent() {
    let directory = tempfile::tempdir().unwrap();
    let mut shown = 0;
    for status in [
        "200 OK",
        "201 Created",
        "202 Accepted",
        "204 No Content",
        "206 Partial Content",
        "301 Moved",
        "307 Temporary Redirect",
        "400 Bad Request",
        "401 Unauthorized",
        "403 Forbidden",
        "404 Not Found",
        "405 Not Allowed",
        "416 Range",
        "418 Teapot",
        "429 Too Many Requests",
        "500 Internal",
        "503 Unavailable",
    ] {
        let server = Server::start(move |seen, _| match seen.header("authorization") {
            None => {
                let basic = "www-authenticate: Basic realm=\"r\"";
                answer("401 Unauthorized", &[basic], "{}")
            }
            Some(_) => parrot(status, seen),
        });
        let server = server.await;
        let password = private(directory.path().join("password"), PLANTED);
        let registries = json!({"registries": {server.host.as_str():
                {"http": true, "private": true}},
            "credentials": [{"registry": server.host.as_str(), "tenants": ["*"], "username": "u",
                "password_file": password}]});
        let upstream = client(&registries, &[]);
        let told = told(&upstream, &server).await;
        let encoded = BASE64_STANDARD.encode(format!("u:{PLANTED}"));
        assert!(!told.contains(PLANTED) && !told.contains(&encoded), "{status}: {told}");
        shown += server.seen().iter().filter(|seen| seen.header("authorization").is_some()).count();
        let parsed = Registries::parse(registries.to_string().as_bytes()).unwrap();
        assert!(!format!("{parsed:?}").contains(PLANTED));
    }
    assert!(shown > 17, "it was sent, and kept quiet");
}

#[tokio::test]
async fn token_servers_words_and_tokens_stay_between_us() {
    let directory = tempfile::tempdir().unwrap();
    for token in [
        format!("{{\"token\": \"{PLANTED}\"}}"),
        format!("{{\"token\": \"{PLANTED}\\n\"}}"),
        format!("{{\"token\": \"{PLANTED}\""),
        PLANTED.to_owned(),
    ] {
        let server = Server::start(move |seen, _| {
            let host = seen.header("host").unwrap();
            let realm = format!("www-authenticate: Bearer realm=\"http://{host}/token\"");
            match seen.header("authorization") {
                _ if seen.line().contains("/token") => answer("200 OK", &[], &token),
                _ => answer("401 Unauthorized", &[&realm], PLANTED),
            }
        });
        let server = server.await;
        let identity = json!({"auths": {server.host.as_str(): {"identitytoken": PLANTED}}});
        let file = private(directory.path().join("config.json"), &identity.to_string());
        let registries = json!({"registries": {server.host.as_str():
                {"http": true, "private": true}},
            "credentials": [{"tenants": ["*"], "docker_config": file}]});
        let told = told(&client(&registries, &[]), &server).await;
        assert!(!told.contains(PLANTED), "{told}");
        let posted = server.seen().into_iter().find(|seen| seen.line().starts_with("POST /token"));
        let form = String::from_utf8(posted.unwrap().body).unwrap();
        assert!(form.contains(&format!("refresh_token={PLANTED}")), "{form}");
        assert!(form.contains("grant_type=refresh_token"), "{form}");
    }
}

/// A guest's request has headers of its own; ours are these and no others.
#[tokio::test]
async fn what_is_sent_is_ours() {
    let server = Server::start(|_, _| answer("404 Not Found", &[], "{}")).await;
    let upstream = client(&crate::client::plain(&server.host), &[]);
    told(&upstream, &server).await;
    for seen in server.seen() {
        let ours = ["host", "user-agent", "accept", "content-type", "content-length"];
        for line in seen.head.lines().skip(1).filter(|line| !line.is_empty()) {
            let name = line.split(':').next().unwrap().to_ascii_lowercase();
            assert!(ours.contains(&name.as_str()), "{line}");
        }
        let agent = seen.header("user-agent").unwrap();
        assert_eq!(agent, concat!("kiln/", env!("CARGO_PKG_VERSION")));
    }
}
