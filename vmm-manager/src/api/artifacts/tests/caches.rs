//! Caches: from a build's guest, which gives nothing a name, to the name that was asked for.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;

const NAME: &str = "local/app:cache";

fn cache(reference: &str, ignore_error: bool) -> CacheExport {
    let reference = reference.to_owned();
    CacheExport::Registry { reference, max: false, compression: None, ignore_error }
}

fn caching(cache_to: Vec<CacheExport>) -> Build {
    Build { cache_to, ..build() }
}

/// Says one request as the job's guest would, and hears what status it gets.
async fn ask(host: &Host, job: &JobHandle, head: &str, body: &[u8]) -> u16 {
    let guest = host.registry.of(job, host.home.path());
    let (mut client, server) = UnixStream::pair().unwrap();
    let streams = guest.streams();
    let serving = tokio::spawn(async move { streams.serve(server).await });
    let length = body.len();
    let head = format!(
        "{head}\r\nhost: registry.kiln:5000\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n"
    );
    client.write_all(&[head.as_bytes(), body].concat()).await.unwrap();
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).await.unwrap();
    serving.await.unwrap();
    let answer = String::from_utf8_lossy(&answer);
    answer.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status")
}

/// A cache as its engine pushes it, below `local/`: what the guest is told of each part of it.
async fn push(host: &Host, job: &JobHandle, repository: &str, tag: &str) -> [u16; 3] {
    let (config, layer) = (b"{}", b"a step's layer");
    let mut told = [0; 3];
    for (at, blob) in [&config[..], &layer[..]].into_iter().enumerate() {
        let digest = Digest::of(blob);
        let head = format!("POST /v2/local/{repository}/blobs/uploads/?digest={digest} HTTP/1.1");
        told[at] = ask(host, job, &head, blob).await;
    }
    let of = |kind: &str, blob: &[u8]| json!({"mediaType": kind, "digest": Digest::of(blob), "size": blob.len()});
    let manifest = json!({
        "schemaVersion": 2, "mediaType": format!("{OCI}.manifest.v1+json"),
        "config": of("application/vnd.buildkit.cacheconfig.v0", config),
        "layers": [of(&format!("{OCI}.layer.v1.tar"), layer)],
    });
    let head = format!(
        "PUT /v2/local/{repository}/manifests/{tag} HTTP/1.1\r\ncontent-type: {OCI}.manifest.v1+json"
    );
    told[2] = ask(host, job, &head, manifest.to_string().as_bytes()).await;
    told
}

fn hidden(job: &JobHandle, at: usize) -> String {
    format!("kiln.build/{}/cache/{at}", job.id())
}

async fn names(host: &Host) -> Vec<String> {
    let listing = Listing { limit: 10, ..Listing::default() };
    let listed = host.registry.images().list(TENANT, &listing).await.unwrap().images;
    listed.iter().map(|image| image.reference.to_string()).collect()
}

#[test]
fn a_builds_guest_writes_where_nobody_else_reads() {
    let caches = ["local/cache/app:x", "registry.example/cache:x"].map(|name| cache(name, false));
    let cache_to = [vec![CacheExport::Inline], caches.to_vec()].concat();
    let id: JobId = "01arz3ndektsv4rrffq69g5fav".parse().unwrap();
    let names = [1, 2].map(|at| format!("kiln.build/{id}/cache/{at}").parse().unwrap());
    let spec = spec(&caching(cache_to));
    assert_eq!(publish::writes(&id, &spec), Writes::Only(names.into()));
    assert_eq!(publish::writes(&id, &jobs::spec("true")), Writes::All);
}

#[tokio::test]
async fn a_cache_is_named_by_the_host_when_all_went_well() {
    let host = Host::start().await;
    let build = caching(vec![cache(NAME, false)]);
    let job = host.submit(TENANT, spec(&build)).await;
    let images = vec![host.take_over(&job, &layout()).await];
    let publish = async || {
        publish::publish(&host.registry, job.owner(), job.id(), &build, images.clone()).await
    };
    // Its own, and any other, of what the cache's name stands for.
    for tag in ["cache", "1", "latest"] {
        assert_eq!(push(&host, &job, "app", tag).await, [403; 3], "{tag}");
    }
    let failure = publish().await.unwrap_err();
    assert_eq!(failure.details["reason"], "no_cache", "{failure:?}");
    assert_eq!(names(&host).await, [""; 0]);
    let own = hidden(&job, 0);
    assert_eq!(push(&host, &job, &own, "cache").await, [201; 3]);
    // What else it calls it is nobody's name.
    assert_eq!(push(&host, &job, &own, "other").await[2], 201);
    assert_eq!(push(&host, &job, &hidden(&job, 1), "cache").await, [403; 3]);
    assert_eq!(
        push(&host, &job, &format!("kiln.build/{}/done/0", job.id()), "cache").await,
        [403; 3]
    );
    assert_eq!(names(&host).await, [""; 0]);
    for _ in 0..2 {
        assert_eq!(publish().await.unwrap()[0].names, ["local/app:1"]);
        assert_eq!(names(&host).await, ["local/app:1", NAME]);
    }
    publish::forget(&host.registry, job.owner(), job.id()).await.unwrap();
    let reference: Reference = NAME.parse().unwrap();
    assert!(host.registry.images().inspect(TENANT, &reference).await.is_ok());
}

#[tokio::test]
async fn no_cache_is_named_of_a_build_that_fails() {
    let host = Host::start().await;
    let mut build = caching(vec![cache(NAME, false)]);
    if let ExportKind::Image(image) = &mut build.exports[0].kind {
        image.push = true;
    }
    let job = host.submit(TENANT, spec(&build)).await;
    let images = vec![host.take_over(&job, &layout()).await];
    assert_eq!(push(&host, &job, &hidden(&job, 0), "cache").await, [201; 3]);
    // The operator lets nothing out.
    let published = publish::publish(&host.registry, job.owner(), job.id(), &build, images).await;
    assert_eq!(published.unwrap_err().class, FailureClass::Policy);
    assert_eq!(names(&host).await, [""; 0]);
    publish::forget(&host.registry, job.owner(), job.id()).await.unwrap();
    assert_eq!(names(&host).await, [""; 0]);
}

#[tokio::test]
async fn a_cache_that_may_fail_fails_alone() {
    let host = Host::start().await;
    let build = caching(vec![cache(NAME, true), cache("registry.example/cache:x", true)]);
    let job = host.submit(TENANT, spec(&build)).await;
    let images = vec![host.take_over(&job, &layout()).await];
    let images = publish::publish(&host.registry, job.owner(), job.id(), &build, images).await;
    assert_eq!(images.unwrap()[0].names, ["local/app:1"]);
    assert_eq!(names(&host).await, ["local/app:1"]);
}
