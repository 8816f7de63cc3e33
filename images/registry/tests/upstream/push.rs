//! Pushed to a real registry, and pulled from it.

use std::io;

use async_trait::async_trait;
use bytes::Bytes;
use kiln_registry::{
    content::Chunks,
    digest::Digest,
    name::{Host, RepositoryName},
    upstream::{Failure, Placed, Source, Upstream, UpstreamError},
};
use serde_json::json;

use crate::{
    authority::Authority,
    client::{client, drained, noise, plain, repository, session, target},
    real::{Auth, PASSWORD, Registry, USER, private, program},
    token::TokenServer,
};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// In pieces of 64 KiB.
pub(crate) struct InMemory(pub Bytes);

#[async_trait]
impl Source for InMemory {
    async fn open(&self, from: u64) -> io::Result<Chunks> {
        let rest = self.0.slice(usize::try_from(from).unwrap()..);
        let pieces: Vec<_> = rest.chunks(64 << 10).map(|piece| Ok(rest.slice_ref(piece))).collect();
        Ok(Box::pin(futures_util::stream::iter(pieces)))
    }
}

/// An image of one layer under `v1`.
pub(crate) async fn image(
    upstream: &Upstream,
    host: &Host,
    name: &RepositoryName,
    layer: &Bytes,
) -> Result<Digest, UpstreamError> {
    let session = session(host);
    let config = Bytes::from_static(b"{}");
    for blob in [&config, layer] {
        let (digest, size) = (Digest::of(blob), blob.len() as u64);
        let source = InMemory(blob.clone());
        upstream.push_blob(&session, name, digest, size, None, &source).await?;
    }
    let manifest = json!({"schemaVersion": 2, "mediaType": MANIFEST,
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "size": config.len(),
            "digest": Digest::of(&config)},
        "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar", "size": layer.len(),
            "digest": Digest::of(layer)}]});
    let bytes = Bytes::from(manifest.to_string());
    upstream.put_manifest(&session, name, &target("v1"), MANIFEST, bytes).await
}

async fn round(upstream: &Upstream, host: &Host, anonymous: bool) {
    let (name, other) = (repository("team/app"), repository("team/other"));
    let session = session(host);
    // More than a piece, and no multiple of one.
    let layer = noise(700_001);
    let pushed = image(upstream, host, &name, &layer).await.unwrap();
    let digest = Digest::of(&layer);
    for head in [true, false] {
        let by_tag = upstream.manifest(&session, &name, &target("v1"), head).await.unwrap();
        assert_eq!((by_tag.digest, by_tag.anonymous), (pushed, anonymous));
        assert_eq!(by_tag.media_type, MANIFEST);
        assert_eq!(by_tag.bytes.is_empty(), head);
        let target = target(&pushed.to_string());
        let by_digest = upstream.manifest(&session, &name, &target, head).await.unwrap();
        assert_eq!(by_digest, by_tag);
    }
    for from in [0, 1, 700_000] {
        let download = upstream.blob(&session, &name, digest, from).await.unwrap();
        assert_eq!((download.size, download.start), (700_001, from));
        let bytes = drained(download.chunks).await.unwrap();
        assert!(bytes == layer[usize::try_from(from).unwrap()..], "from {from}");
    }
    let presence = upstream.has_blob(&session, &name, digest).await.unwrap();
    assert_eq!((presence.size, presence.anonymous), (Some(700_001), anonymous));
    let absent = Digest::of(b"absent");
    let missing = upstream.has_blob(&session, &name, absent).await.unwrap_err();
    assert_eq!((missing.failure.clone(), missing.status()), (Failure::NotFound, Some(404)));
    let missing = upstream.manifest(&session, &name, &target("absent"), false).await.unwrap_err();
    assert_eq!(missing.failure, Failure::NotFound);
    let (size, source) = (layer.len() as u64, InMemory(layer));
    let place = async |from: Option<&RepositoryName>, to: &RepositoryName| {
        upstream.push_blob(&session, to, digest, size, from, &source).await.unwrap()
    };
    assert_eq!(place(None, &name).await, Placed::Existed);
    assert_eq!(place(Some(&name), &other).await, Placed::Mounted);
    assert_eq!(
        place(Some(&repository("no/such")), &repository("team/new")).await,
        Placed::Uploaded
    );
}

#[tokio::test]
async fn without_credentials() {
    let program = program();
    let registry = Registry::start(program, &Auth::None, None);
    round(&client(&plain(&registry.host), &[]), &registry.host, true).await;
}

#[tokio::test]
async fn with_a_password_over_tls() {
    let program = program();
    let authority = Authority::new();
    let name = "registry.example";
    let registry = Registry::start(program, &Auth::Basic, Some(authority.pem(&[name])));
    let host: Host = format!("{name}:{}", registry.host.port().unwrap()).parse().unwrap();
    let password_file = registry.password_file(&format!("{PASSWORD}\n"));
    let entry = |ca: bool| {
        let mut entry = json!({"private": true, "address": registry.host.as_str()});
        if ca {
            entry["ca"] = json!(authority.file());
        }
        json!({"registries": {host.as_str(): entry}, "credentials": [{"registry": host.as_str(),
            "tenants": ["local"], "username": USER, "password_file": password_file}]})
    };
    round(&client(&entry(true), &[]), &host, false).await;
    let name = repository("team/app");
    let unknown = client(&entry(false), &[]);
    let told = unknown.manifest(&session(&host), &name, &target("v1"), false).await.unwrap_err();
    assert!(told.is_outage() && told.to_string().contains("ertificate"), "{told}");
    // Another tenant has none.
    let stranger = kiln_registry::upstream::Session::new("stranger", host.clone());
    let told = client(&entry(true), &[]).manifest(&stranger, &name, &target("v1"), true).await;
    let refused = Failure::Unauthorized { credentials: false, withheld: None };
    assert_eq!(told.unwrap_err().failure, refused);
    registry.password_file("wrong");
    let told =
        client(&entry(true), &[]).manifest(&session(&host), &name, &target("v1"), true).await;
    let refused = Failure::Unauthorized { credentials: true, withheld: None };
    assert_eq!(told.unwrap_err().failure, refused);
}

#[tokio::test]
async fn with_tokens() {
    let program = program();
    let server = TokenServer::start(USER, PASSWORD).await;
    let realm = format!("http://{}/token", server.host());
    let bundle = server.bundle();
    let registry = Registry::start(program, &Auth::Token(&realm, &bundle), None);
    let file = private(
        registry.directory.path().join("config.json"),
        &json!({"auths": {
        registry.host.as_str(): {"username": USER, "password": PASSWORD}}})
        .to_string(),
    );
    let registries = json!({"registries": {
            registry.host.as_str(): {"http": true, "private": true, "token_hosts": [server.host()]},
            server.host().as_str(): {"http": true, "private": true}},
        "credentials": [{"tenants": ["local"], "docker_config": file}]});
    let upstream = client(&registries, &[]);
    round(&upstream, &registry.host, false).await;
    let fetched = server.count();
    assert!(fetched < 15, "{fetched} tokens for some forty requests");
    // Without one of its own, a tenant asks as anybody, and gets a token that is good for nothing.
    let stranger = kiln_registry::upstream::Session::new("stranger", registry.host.clone());
    let name = repository("team/app");
    let told = upstream.manifest(&stranger, &name, &target("v1"), true).await.unwrap_err();
    assert_eq!(told.failure, Failure::Unauthorized { credentials: false, withheld: None });
    // What is public is everybody's.
    server.publish("team/app");
    let public = upstream.manifest(&stranger, &name, &target("v1"), true).await.unwrap();
    assert!(public.anonymous);
}
