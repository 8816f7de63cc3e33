//! A registry that wants to be left alone is.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use kiln_registry::upstream::{Failure, Limits, Session, Upstream};
use serde_json::json;

use crate::{
    client::{client, client_with, limits, plain, repository, session, target},
    real::private,
    script::{Server, answer},
};

async fn ask(upstream: &Upstream, server: &Server, name: &str) -> Result<(), Failure> {
    let (session, name) = (session(&server.host), repository(name));
    let found = upstream.manifest(&session, &name, &target("v1"), false).await;
    found.map(drop).map_err(|error| error.failure)
}

#[tokio::test]
async fn a_storm_is_one_wait() {
    let limited = Arc::new(AtomicBool::new(true));
    let server = Server::start({
        let limited = limited.clone();
        move |_, _| {
            if limited.swap(false, Ordering::SeqCst) {
                answer("429 Too Many Requests", &["retry-after: 2"], "")
            } else {
                answer("200 OK", &["content-type: application/json"], "{}")
            }
        }
    });
    let server = Arc::new(server.await);
    let upstream = client(&plain(&server.host), &[]);
    let begun = Instant::now();
    ask(&upstream, &server, "first").await.unwrap();
    assert!(begun.elapsed() >= Duration::from_secs(2));
    limited.store(true, Ordering::SeqCst);
    let first = tokio::spawn({
        let (upstream, server) = (upstream.clone(), server.clone());
        async move { ask(&upstream, &server, "first").await }
    });
    while server.seen().len() < 3 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let others: Vec<_> = (0..100)
        .map(|index| {
            let (upstream, server) = (upstream.clone(), server.clone());
            tokio::spawn(async move { ask(&upstream, &server, &format!("other/{index}")).await })
        })
        .collect();
    for asker in others.into_iter().chain([first]) {
        asker.await.unwrap().unwrap();
    }
    let seen = server.seen();
    assert_eq!(seen.len(), 3 + 101);
    let waited = |nth: usize| seen[nth].at - seen[2].at;
    assert!((3..104).all(|nth| waited(nth) >= Duration::from_secs(2)), "{:?}", waited(3));
}

#[tokio::test]
async fn a_long_wait_is_told_and_kept_to() {
    let date = SystemTime::now() + Duration::from_secs(3600);
    let date = format!("retry-after: {}", httpdate::fmt_http_date(date));
    for header in ["retry-after: 3600", &date] {
        let header = header.to_owned();
        let server =
            Server::start(move |_, _| answer("429 Too Many Requests", &[&header], "")).await;
        let upstream = client(&plain(&server.host), &[]);
        for _ in 0..20 {
            let begun = Instant::now();
            let told = ask(&upstream, &server, "a/b").await.unwrap_err();
            let Failure::RateLimited { retry_after: Some(after) } = told else { panic!("{told}") };
            assert!(after > Duration::from_secs(800), "{after:?}");
            assert!(begun.elapsed() < Duration::from_secs(1));
        }
        assert_eq!(server.seen().len(), 1);
    }
}

#[tokio::test]
async fn one_without_an_end_is_given_up() {
    let server = Server::start(|_, _| answer("429 Too Many Requests", &[], "")).await;
    let upstream = client(&plain(&server.host), &[]);
    let told = ask(&upstream, &server, "a/b").await.unwrap_err();
    assert!(matches!(told, Failure::RateLimited { .. }), "{told}");
    assert!(server.seen().len() <= 3, "{}", server.seen().len());
}

/// Who waits for a token does not hold what its server is asked by.
#[tokio::test]
async fn one_connection_is_enough() {
    let server = Server::start(|seen, _| {
        let host = seen.header("host").unwrap();
        let realm = format!("www-authenticate: Bearer realm=\"http://{host}/token\"");
        match seen.header("authorization") {
            _ if seen.line().contains("/token") => {
                answer("200 OK", &[], r#"{"token": "t", "expires_in": 300}"#)
            }
            None => answer("401 Unauthorized", &[&realm], "{}"),
            Some(_) => answer("200 OK", &["content-type: application/json"], "{}"),
        }
    });
    let server = Arc::new(server.await);
    let upstream = client_with(&plain(&server.host), &[], Limits { connections: 1, ..limits() });
    let askers: Vec<_> = (0..20)
        .map(|index| {
            let (upstream, server) = (upstream.clone(), server.clone());
            tokio::spawn(async move { ask(&upstream, &server, &format!("a/{index}")).await })
        })
        .collect();
    for asker in askers {
        asker.await.unwrap().unwrap();
    }
    assert_eq!(server.seen().len(), 60);
    // Of one repository, one of them asks for the token of all.
    let askers: Vec<_> = (0..20)
        .map(|_| {
            let (upstream, server) = (upstream.clone(), server.clone());
            tokio::spawn(async move { ask(&upstream, &server, "same").await })
        })
        .collect();
    for asker in askers {
        asker.await.unwrap().unwrap();
    }
    let tokens = server.lines().iter().filter(|line| line.contains("/token")).count();
    assert_eq!(tokens, 21);
}

#[tokio::test]
async fn who_has_credentials_of_its_own_stops_nobody_else() {
    let server = Server::start(|seen, _| match seen.header("authorization") {
        None if seen.line().contains("/private/") => {
            answer("401 Unauthorized", &["www-authenticate: Basic realm=\"r\""], "{}")
        }
        None => answer("200 OK", &["content-type: application/json"], "{}"),
        Some(_) => answer("429 Too Many Requests", &["retry-after: 3600"], ""),
    });
    let server = server.await;
    let directory = tempfile::tempdir().unwrap();
    let password = private(directory.path().join("password"), "secret");
    let mut file = plain(&server.host);
    file["credentials"] = json!([{"registry": server.host.as_str(), "tenants": ["acme"],
        "username": "u", "password_file": password}]);
    let upstream = client(&file, &[]);
    let manifest = async |tenant: &str, name: &str| {
        let session = Session::new(tenant, server.host.clone());
        let found = upstream.manifest(&session, &repository(name), &target("v1"), false).await;
        found.map(drop).map_err(|error| error.failure)
    };
    for _ in 0..2 {
        let told = manifest("acme", "private/app").await.unwrap_err();
        assert!(matches!(told, Failure::RateLimited { retry_after: Some(_) }), "{told}");
    }
    assert_eq!(server.seen().len(), 2, "it is left alone by whom it asked that of");
    manifest("other", "open/app").await.unwrap();
    let told = manifest("other", "private/app").await.unwrap_err();
    assert_eq!(told, Failure::Unauthorized { credentials: false, withheld: None });
    assert_eq!(server.seen().len(), 4);
}
