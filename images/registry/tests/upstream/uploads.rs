//! Uploads to registries that break off, lose what they had, or send us elsewhere.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use kiln_registry::{
    digest::Digest,
    upstream::{Failure, Limits, Placed, UpstreamError},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use crate::{
    client::{client, client_with, limits, noise, plain, repository, session},
    push::InMemory,
    real::{Auth, Registry, program},
    script::{Say, Seen, Server, answer},
};

async fn push(server: &Server, content: &Bytes) -> Result<Placed, UpstreamError> {
    let upstream = client(&plain(&server.host), &[]);
    let (digest, size) = (Digest::of(content), content.len() as u64);
    let source = InMemory(content.clone());
    let name = repository("a/b");
    upstream.push_blob(&session(&server.host), &name, digest, size, None, &source).await
}

/// A registry's uploads, in memory.
#[derive(Default)]
struct Uploads {
    taken: Vec<u8>,
    is_done: bool,
}

impl Uploads {
    /// With what a registry of another kind would do differently.
    fn answer(&mut self, seen: &Seen, keeps: bool) -> Vec<Say> {
        let range = format!("range: 0-{}", self.taken.len().saturating_sub(1));
        match seen.line().split(' ').next().unwrap() {
            "HEAD" if self.is_done => answer("200 OK", &[], ""),
            "POST" => {
                self.taken.clear();
                answer("202 Accepted", &["location: /v2/a/b/blobs/uploads/1?state=x"], "")
            }
            "GET" if keeps => {
                let location = "location: /v2/a/b/blobs/uploads/1?state=y";
                answer("204 No Content", &[location, &range], "")
            }
            "HEAD" | "GET" => answer("404 Not Found", &[], ""),
            "PATCH" => {
                let from = seen.header("content-range").unwrap().split('-').next().unwrap();
                assert_eq!(from, self.taken.len().to_string());
                self.taken.extend_from_slice(&seen.body);
                let range = format!("range: 0-{}", self.taken.len() - 1);
                let location = "location: /v2/a/b/blobs/uploads/1?state=z";
                answer("202 Accepted", &[location, &range], "")
            }
            "PUT" => {
                self.taken.extend_from_slice(&seen.body);
                assert!(seen.line().contains("&digest=sha256%3A"), "{}", seen.line());
                self.is_done = true;
                answer("201 Created", &[], "")
            }
            method => panic!("{method}"),
        }
    }
}

#[tokio::test]
async fn large_ones_go_in_pieces_and_survive_a_death_at_each() {
    let content = noise((256 << 10) * 3 + 17);
    for (keeps, dies_at) in (0..14).flat_map(|nth| [(true, nth), (false, nth)]) {
        for after in [false, true] {
            let uploads = Arc::new(Mutex::new(Uploads::default()));
            let kept = uploads.clone();
            let server = Server::start(move |seen, nth| {
                let mut uploads = kept.lock().unwrap();
                // Before it did what was asked, or when only its answer is missing.
                if nth == dies_at && !after {
                    return vec![Say::Close];
                }
                let says = uploads.answer(seen, keeps);
                if nth == dies_at { vec![Say::Close] } else { says }
            });
            let server = server.await;
            let placed = push(&server, &content).await;
            let case = format!("{keeps} {dies_at} {after}: {:?}", server.lines());
            assert_eq!(placed.unwrap(), Placed::Uploaded, "{case}");
            let uploads = uploads.lock().unwrap();
            assert!(uploads.is_done && uploads.taken == content, "{case}");
        }
    }
}

#[tokio::test]
async fn one_that_fits_goes_at_once() {
    for length in [0, 1, 1000] {
        let uploads = Arc::new(Mutex::new(Uploads::default()));
        let kept = uploads.clone();
        let server = Server::start(move |seen, _| kept.lock().unwrap().answer(seen, true)).await;
        let content = noise(length);
        assert_eq!(push(&server, &content).await.unwrap(), Placed::Uploaded);
        assert_eq!(uploads.lock().unwrap().taken, content);
        let methods: Vec<_> =
            server.lines().iter().map(|line| line.split(' ').next().unwrap().to_owned()).collect();
        assert_eq!(methods, ["HEAD", "POST", "PUT"]);
    }
}

#[tokio::test]
async fn an_upload_goes_to_no_place_inside() {
    let victim = Server::start(|_, _| answer("201 Created", &[], "")).await;
    for location in [
        format!("https://127.0.0.1:{}/upload", victim.port),
        format!("http://127.0.0.1:{}/upload", victim.port),
        "http://169.254.169.254/upload".to_owned(),
        format!("//127.0.0.1:{}/upload", victim.port),
        String::new(),
        "upload".to_owned(),
    ] {
        let location = format!("location: {location}");
        let server = Server::start(move |seen, _| {
            if seen.line().starts_with("POST") {
                answer("202 Accepted", &[&location], "")
            } else {
                answer("404 Not Found", &[], "")
            }
        });
        let server = server.await;
        let told = push(&server, &noise(10)).await.unwrap_err();
        let expected =
            matches!(told.failure, Failure::Guarded { .. } | Failure::NotARegistry { .. });
        assert!(expected, "{told}");
    }
    assert_eq!(victim.connections(), 0);
}

#[tokio::test]
async fn what_a_registry_refuses_is_told() {
    for (status, body, expected) in [
        ("403 Forbidden", "{}", Failure::Denied { credentials: false }),
        (
            "400 Bad Request",
            r#"{"errors":[{"code":"DIGEST_INVALID"}]}"#,
            Failure::Rejected { status: 400, code: Some("DIGEST_INVALID".to_owned()) },
        ),
        ("413 Too Large", "<html>", Failure::Rejected { status: 413, code: None }),
    ] {
        let server = Server::start(move |seen, _| match seen.line().split(' ').next() {
            Some("POST") => answer("202 Accepted", &["location: /upload"], ""),
            Some("PUT") => answer(status, &[], body),
            _ => answer("404 Not Found", &[], ""),
        });
        let server = server.await;
        let told = push(&server, &noise(10)).await.unwrap_err();
        assert_eq!(told.failure, expected);
        assert_eq!(server.seen().len(), 3, "it is not tried again");
    }
}

/// Between us and a real registry: the first connections break after so many bytes each.
async fn breaking(to: u16, good_for: usize, breaks: usize) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let left = Arc::new(AtomicUsize::new(breaks));
    tokio::spawn(async move {
        while let Ok((mut near, _)) = listener.accept().await {
            let left = left.clone();
            tokio::spawn(async move {
                let mut far = TcpStream::connect(("127.0.0.1", to)).await.unwrap();
                let (mut near_reads, mut near_writes) = near.split();
                let (mut far_reads, mut far_writes) = far.split();
                let up = async {
                    let mut buffer = vec![0; 16 << 10];
                    let mut passed = 0;
                    loop {
                        let read = near_reads.read(&mut buffer).await.unwrap_or(0);
                        if read == 0 {
                            return;
                        }
                        passed += read;
                        if far_writes.write_all(&buffer[..read]).await.is_err() {
                            return;
                        }
                        let breaks = |left: usize| left.checked_sub(1);
                        if passed > good_for
                            && left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, breaks).is_ok()
                        {
                            return;
                        }
                    }
                };
                let down = tokio::io::copy(&mut far_reads, &mut near_writes);
                tokio::select! { () = up => {} _ = down => {} }
            });
        }
    });
    port
}

#[tokio::test]
async fn a_real_registry_goes_on_where_it_was() {
    let program = program();
    let registry = Registry::start(program, &Auth::None, None);
    let content = noise(1_500_000);
    let port = breaking(registry.host.port().unwrap(), 400_000, 4).await;
    let host = format!("127.0.0.1:{port}").parse().unwrap();
    // It may take its time to notice a connection's death, and refuses to go on until then.
    let patient = Limits { tries: 8, back_off: Duration::from_millis(50), ..limits() };
    let upstream = client_with(&plain(&host), &[], patient);
    let (name, digest) = (repository("a/b"), Digest::of(&content));
    let (size, source) = (content.len() as u64, InMemory(content.clone()));
    let session = session(&host);
    let placed = upstream.push_blob(&session, &name, digest, size, None, &source).await;
    assert_eq!(placed.unwrap(), Placed::Uploaded, "{}", registry.log());
    let download = upstream.blob(&session, &name, digest, 0).await.unwrap();
    assert_eq!(crate::client::drained(download.chunks).await.unwrap(), content);
}
