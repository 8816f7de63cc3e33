//! Registries that say something else than what is: manifests, blobs, ranges, pages for people.

use kiln_registry::{digest::Digest, upstream::Failure};

use crate::{
    client::{client, drained, plain, repository, session, target},
    script::{Say, Seen, Server, answer, head},
};

const JSON: &str = "content-type: application/vnd.oci.image.manifest.v1+json";

async fn manifest(says: Vec<Say>, asked: &str, only_head: bool) -> Result<Digest, Failure> {
    let says = std::sync::Mutex::new(Some(says));
    let server = Server::start(move |seen, _| {
        let silent = seen.line().starts_with("HEAD") != only_head;
        let says = says.lock().unwrap().take().filter(|_| !silent);
        says.unwrap_or_else(|| answer("404 Not Found", &[], ""))
    });
    let server = server.await;
    let upstream = client(&plain(&server.host), &[]);
    let (name, target) = (repository("a/b"), target(asked));
    let found = upstream.manifest(&session(&server.host), &name, &target, only_head).await;
    found.map(|found| found.digest).map_err(|error| error.failure)
}

fn is_no_registry(found: &Result<Digest, Failure>) -> bool {
    matches!(found, Err(Failure::NotARegistry { .. }))
}

#[tokio::test]
async fn pages_for_people_are_no_manifests() {
    let page = "<!DOCTYPE html><html><body>Sign in</body></html>";
    for (kind, body) in [
        ("content-type: text/html", page),
        ("content-type: TEXT/HTML; charset=utf-8", page),
        ("content-type: text/html", "{}"),
        ("content-type: application/xhtml+xml", page),
        ("content-type: application/json", page),
        (JSON, page),
        (JSON, ""),
        (JSON, "[]"),
        (JSON, "{"),
        (JSON, "null"),
        ("content-type: , ,", "{}"),
        ("x: y", page),
    ] {
        let found = manifest(answer("200 OK", &[kind], body), "v1", false).await;
        assert!(is_no_registry(&found), "{kind} {body}: {found:?}");
    }
    let packed = answer("200 OK", &[JSON, "content-encoding: gzip"], "{}");
    assert!(is_no_registry(&manifest(packed, "v1", false).await));
    for status in ["201 Created", "204 No Content", "302 Found"] {
        let found = manifest(answer(status, &[JSON], ""), "v1", false).await;
        assert!(is_no_registry(&found), "{status}: {found:?}");
    }
    let found = manifest(answer("200 OK", &[], "{}"), "v1", false).await;
    assert_eq!(found, Ok(Digest::of(b"{}")), "a content type is not a must");
}

#[tokio::test]
async fn digests_are_verified() {
    let (there, other) = (Digest::of(b"{}"), Digest::of(b"other"));
    let told = |digest: Digest| format!("docker-content-digest: {digest}");
    let swapped = Err(Failure::OtherDigest { expected: other, found: there });
    let whole = |header: &str| answer("200 OK", &[JSON, header], "{}");
    assert_eq!(manifest(whole("x: y"), &other.to_string(), false).await, swapped);
    assert_eq!(manifest(whole(&told(other)), "v1", false).await, swapped);
    assert_eq!(manifest(whole(&told(other)), &there.to_string(), false).await, swapped);
    assert_eq!(manifest(whole(&told(there)), &there.to_string(), false).await, Ok(there));
    assert_eq!(manifest(whole(&told(there)), "v1", true).await, Ok(there));
    let swapped = Err(Failure::OtherDigest { expected: there, found: other });
    assert_eq!(manifest(whole(&told(other)), &there.to_string(), true).await, swapped);
    for header in ["docker-content-digest: sha256:00", "docker-content-digest: latest"] {
        assert!(is_no_registry(&manifest(whole(header), "v1", true).await), "{header}");
    }
    let sha512 = format!("docker-content-digest: sha512:{}", "0".repeat(128));
    assert_eq!(manifest(whole(&sha512), "v1", false).await, Ok(there), "it says nothing to us");
}

#[tokio::test]
async fn what_a_head_does_not_say_is_fetched() {
    let server = Server::start(|seen, _| {
        if seen.line().starts_with("HEAD") {
            vec![head("200 OK", &[JSON, "content-length: 2"])]
        } else {
            answer("200 OK", &[JSON], "{}")
        }
    });
    let server = server.await;
    let upstream = client(&plain(&server.host), &[]);
    let (name, session) = (repository("a/b"), session(&server.host));
    let found = upstream.manifest(&session, &name, &target("v1"), true).await.unwrap();
    assert_eq!((found.digest, &found.bytes[..]), (Digest::of(b"{}"), &b"{}"[..]));
}

const CONTENT: &[u8] = b"0123456789";

async fn blob(
    from: u64,
    handler: impl Fn(&Seen, usize) -> Vec<Say> + Send + Sync + 'static,
) -> Result<Vec<u8>, Failure> {
    let server = Server::start(handler).await;
    let upstream = client(&plain(&server.host), &[]);
    let (name, digest) = (repository("a/b"), Digest::of(CONTENT));
    let download = upstream.blob(&session(&server.host), &name, digest, from).await;
    let download = download.map_err(|error| error.failure)?;
    drained(download.chunks).await.map_err(|error| {
        let within = error.into_inner().unwrap();
        within.downcast::<kiln_registry::upstream::UpstreamError>().unwrap().failure
    })
}

#[tokio::test]
async fn parts_are_the_parts_that_were_asked_for() {
    let part = |range: &'static str, body: &'static str| {
        move |_: &Seen, _: usize| answer("206 Partial Content", &[range], body)
    };
    let good = blob(4, part("content-range: bytes 4-9/10", "456789")).await;
    assert_eq!(good.unwrap(), b"456789");
    for (range, body) in [
        ("content-range: bytes 0-9/10", "0123456789"),
        ("content-range: bytes 3-9/10", "3456789"),
        ("content-range: bytes 5-9/10", "56789"),
        ("content-range: bytes 4-8/10", "45678"),
        ("content-range: bytes 4-9/*", "456789"),
        ("content-range: bytes */10", "456789"),
        ("content-range: bytes 9-4/10", "456789"),
        ("content-range: bytes 4-9/10", "4567"),
        ("content-range: bytes 4-9", "456789"),
        ("content-range: 4-9/10", "456789"),
        ("content-range: bytes 4-18446744073709551615/18446744073709551616", "456789"),
        ("content-range: bytes 4-18446744073709551615/0", "456789"),
        ("x: y", "456789"),
    ] {
        let found = blob(4, part(range, body)).await;
        assert!(matches!(found, Err(Failure::NotARegistry { .. })), "{range}: {found:?}");
    }
    let whole = |_: &Seen, _: usize| answer("200 OK", &[], CONTENT);
    assert_eq!(blob(4, whole).await.unwrap(), b"456789", "a registry without ranges");
    assert_eq!(blob(10, whole).await.unwrap(), b"");
    let beyond = blob(11, whole).await;
    assert_eq!(beyond, Err(Failure::OtherSize { expected: 11, found: 10 }));
    let refused = blob(4, |_, _| answer("416 Range Not Satisfiable", &[], "")).await;
    assert_eq!(refused, Err(Failure::Rejected { status: 416, code: None }));
}

#[tokio::test]
async fn blobs_have_a_length_and_are_no_pages() {
    let page = |_: &Seen, _: usize| answer("200 OK", &["content-type: text/html"], "<html>");
    assert!(matches!(blob(0, page).await, Err(Failure::NotARegistry { .. })));
    let packed = |_: &Seen, _: usize| answer("200 OK", &["content-encoding: gzip"], CONTENT);
    assert!(matches!(blob(0, packed).await, Err(Failure::NotARegistry { .. })));
    let endless = |_: &Seen, _: usize| vec![head("200 OK", &["transfer-encoding: chunked"])];
    assert!(matches!(blob(0, endless).await, Err(Failure::NotARegistry { .. })));
    let vast = |_: &Seen, _: usize| vec![head("200 OK", &["content-length: 18446744073709551615"])];
    let found = blob(0, vast).await;
    assert!(
        matches!(found, Err(Failure::TooLarge { .. } | Failure::Unreachable { .. })),
        "{found:?}"
    );
}

/// A blob that changes its size while it is resumed is another.
#[tokio::test]
async fn a_resumed_blob_is_as_large_as_before() {
    let found = blob(0, |_, nth| match nth {
        0 => {
            let cut = Say::Bytes(CONTENT[..4].to_vec());
            vec![head("200 OK", &["content-length: 10"]), cut, Say::Close]
        }
        _ => answer("206 Partial Content", &["content-range: bytes 4-10/11"], "4567890"),
    });
    assert_eq!(found.await, Err(Failure::OtherSize { expected: 10, found: 11 }));
}
