//! To whom a password goes: to its registry, and to a token server that is known to be its.

use std::sync::Arc;

use kiln_registry::{digest::Digest, name::Host};
use serde_json::{Value, json};

use crate::{
    authority::Authority,
    client::{Names, limits, named, repository, session, target},
    guard::{NAME, PASSWORD, Trick, blob},
    real::private,
    script::{Server, answer},
};

/// What came of a case: what the other place saw of the password.
async fn authorization_at_other(trick: Trick, more: Value) -> (Vec<Option<String>>, bool) {
    let authority = Authority::new();
    let other = Server::with_tls(authority.acceptor(&["other.example"]), |seen, _| {
        if seen.line().contains("/token") {
            answer("200 OK", &[], r#"{"token": "t", "expires_in": 300}"#)
        } else {
            answer("200 OK", &[], "blob")
        }
    });
    let other = other.await;
    let there = other.named("other.example");
    let to = there.clone();
    let registry = Server::with_tls(authority.acceptor(&[NAME]), move |seen, _| {
        let challenge = match trick {
            Trick::Redirect => "www-authenticate: Basic realm=\"r\"".to_owned(),
            Trick::Realm => {
                format!("www-authenticate: Bearer realm=\"https://{to}/token\",service=\"s\"")
            }
        };
        match (seen.header("authorization"), trick) {
            (None, _) => answer("401 Unauthorized", &[&challenge], "{}"),
            (Some(_), Trick::Redirect) => {
                let location = format!("location: https://{to}/blob");
                answer("307 Temporary Redirect", &[&location], "")
            }
            (Some(_), Trick::Realm) => answer("200 OK", &[], "blob"),
        }
    });
    let registry = registry.await;
    let host = registry.named(NAME);
    let password = private(authority.directory.path().join("password"), PASSWORD);
    let mut own = json!({"private": true, "ca": authority.file()});
    for (field, value) in more.as_object().unwrap() {
        own[field] = json!([value.as_str().unwrap().replace("OTHER", there.as_str())]);
    }
    let file = json!({"registries": {host.as_str(): own,
            there.as_str(): {"private": true, "ca": authority.file()}},
        "credentials": [{"registry": host.as_str(), "tenants": ["*"], "username": "u",
            "password_file": password}]});
    let loopback = |name: &str| (name.to_owned(), vec![[127, 0, 0, 1].into()]);
    let known = [NAME, "other.example"].into_iter().map(loopback).collect();
    let names = Names { known, asked: std::sync::Mutex::default() };
    let upstream = named(&file, Arc::new(names), limits());
    assert_eq!(blob(&upstream, &host, "team/app").await.unwrap(), b"blob");
    let name = repository("team/app");
    let presence = upstream.has_blob(&session(&host), &name, Digest::of(b"x")).await.unwrap();
    let shown = other.seen();
    let shown = shown.iter().map(|seen| seen.header("authorization").map(str::to_owned)).collect();
    (shown, presence.anonymous)
}

#[tokio::test]
async fn a_password_goes_to_its_registry_alone() {
    let (shown, anonymous) = authorization_at_other(Trick::Redirect, json!({})).await;
    assert_eq!((shown, anonymous), (vec![None, None], false), "a redirect takes nothing along");
    let (shown, anonymous) = authorization_at_other(Trick::Realm, json!({})).await;
    assert_eq!((shown, anonymous), (vec![None], true), "a realm that nobody listed");
    let listed = json!({"token_hosts": "OTHER"});
    let (shown, anonymous) = authorization_at_other(Trick::Realm, listed).await;
    // u:correct-horse
    let basic = Some("Basic dTpjb3JyZWN0LWhvcnNl".to_owned());
    assert_eq!((shown, anonymous), (vec![basic], false), "one that the operator listed");
    for other in ["other.example", "xOTHER", "registry.example"] {
        let listed = json!({"token_hosts": other});
        let (shown, _) = authorization_at_other(Trick::Realm, listed).await;
        assert_eq!(shown, [None], "{other} is not it");
    }
}

/// Who is sent elsewhere is not asked for a password there: neither the registry's nor a token.
#[tokio::test]
async fn a_challenge_from_elsewhere_is_none() {
    let authority = Authority::new();
    for challenge in ["Basic realm=\"r\"", "Bearer realm=\"https://OTHER/token\""] {
        let other = Server::with_tls(authority.acceptor(&["other.example"]), |seen, _| {
            let own = challenge.replace("OTHER", seen.header("host").unwrap());
            answer("401 Unauthorized", &[&format!("www-authenticate: {own}")], "{}")
        });
        let other = other.await;
        let there = other.named("other.example");
        let location = format!("location: https://{there}/blob");
        let registry = Server::with_tls(authority.acceptor(&[NAME]), move |_, _| {
            answer("307 Temporary Redirect", &[&location], "")
        });
        let registry = registry.await;
        let host = registry.named(NAME);
        let password = private(authority.directory.path().join("password"), PASSWORD);
        let entry = json!({"private": true, "ca": authority.file(), "token_hosts": [there]});
        let file = json!({"registries": {host.as_str(): entry, there.as_str(): entry},
            "credentials": [{"registry": host.as_str(), "tenants": ["*"], "username": "u",
                "password_file": password}]});
        let loopback = |name: &str| (name.to_owned(), vec![[127, 0, 0, 1].into()]);
        let known = [NAME, "other.example"].into_iter().map(loopback).collect();
        let names = Names { known, asked: std::sync::Mutex::default() };
        let upstream = named(&file, Arc::new(names), limits());
        let told = blob(&upstream, &host, "team/app").await.unwrap_err();
        assert!(told.is_outage() && told.to_string().contains("which answers 401"), "{told}");
        let shown = registry.seen().into_iter().chain(other.seen());
        for seen in shown {
            assert_eq!(seen.header("authorization"), None, "{seen:?}");
            assert!(!seen.line().contains("/token"), "{seen:?}");
        }
    }
}

/// Docker Hub's token server is known, by that name, with TLS and on its port alone.
#[tokio::test]
async fn docker_hub_has_its_tokens_from_its_own() {
    let authority = Authority::new();
    let own = "registry-1.docker.io";
    for (realm, other, gets_it) in [
        ("https://auth.docker.io/token", "auth.docker.io", true),
        ("https://AUTH.docker.io:443/token", "auth.docker.io", true),
        ("https://auth.docker.io.example/token", "auth.docker.io.example", false),
        ("https://xauth.docker.io/token", "xauth.docker.io", false),
        ("https://auth.docker.io:444/token", "auth.docker.io:444", false),
    ] {
        let names = [own, "auth.docker.io", "auth.docker.io.example", "xauth.docker.io"];
        let server = Server::with_tls(authority.acceptor(&names), move |seen, _| {
            let challenge = format!("www-authenticate: Bearer realm=\"{realm}\",service=\"s\"");
            match seen.header("authorization") {
                _ if seen.line().contains("/token") => answer("200 OK", &[], r#"{"token": "t"}"#),
                Some("Bearer t") => answer("200 OK", &["content-type: application/json"], "{}"),
                _ => answer("401 Unauthorized", &[&challenge], "{}"),
            }
        });
        let server = server.await;
        let password = private(authority.directory.path().join("password"), PASSWORD);
        let entry = json!({"private": true, "ca": authority.file(),
            "address": format!("127.0.0.1:{}", server.port)});
        let file = json!({"registries": {"docker.io": entry, other: entry},
            "credentials": [{"registry": "docker.io", "tenants": ["*"], "username": "u",
                "password_file": password}]});
        let upstream = named(&file, Arc::new(Names::default()), limits());
        let name = repository("library/debian");
        let host: Host = "docker.io".parse().unwrap();
        let found = upstream.manifest(&session(&host), &name, &target("12"), false).await.unwrap();
        assert_eq!(found.anonymous, !gets_it, "{realm}");
        let shown = server.seen();
        let shown = shown.iter().filter(|seen| {
            seen.header("authorization").is_some_and(|shown| shown.starts_with("Basic"))
        });
        let to: Vec<_> = shown.filter_map(|seen| seen.header("host")).collect();
        assert_eq!(to, if gets_it { vec![other] } else { vec![] }, "{realm}");
    }
}
