//! The service on a real socket, over real stores: a build's image from its disk to a client.

mod caches;
mod rootfs;

use std::{path::PathBuf, sync::Arc, time::Duration};

use hyper_util::rt::TokioIo;
use kiln_proto::v1::{
    self, artifact_service_client::ArtifactServiceClient,
    artifact_service_server::ArtifactServiceServer,
};
use kiln_registry::{
    caller::Writes,
    digest::Digest,
    operate::{Listing, Reference},
    registries::Registries,
};
use serde_json::json;
use tempfile::TempDir;
use tokio::net::{UnixListener, UnixStream};
use tokio_stream::{StreamExt as _, wrappers::UnixListenerStream};
use tonic::{
    Code, Status,
    transport::{Channel, Endpoint, Server, Uri},
};

use super::{ArtifactApi, ArtifactApiParts};
use crate::{
    build::{BuildRecord, Image, publish, samples},
    config::RegistryConfig,
    job::{
        Build, CacheExport, CommandEnd, DiskFormat, Export, ExportKind, FailureClass, ImageExport,
        JobId, JobSpec, Outcome, OutputDisk, Work,
    },
    output::{self, Outputs},
    registry::{Service, ServiceParts},
    store::{JobHandle, Store, samples as jobs},
};

const OCI: &str = "application/vnd.oci.image";
const TENANT: &str = "local";

struct Host {
    client: ArtifactServiceClient<Channel>,
    store: Arc<Store>,
    registry: Arc<Service>,
    outputs: Outputs,
    home: TempDir,
}

impl Host {
    async fn start() -> Self {
        let home = tempfile::tempdir().unwrap();
        let path = |name: &str| home.path().join(name);
        let config = RegistryConfig {
            registries: Registries::default(),
            registries_file: None,
            mirrors: Vec::new(),
            offline: true,
            listen: None,
            quota_bytes: Some(1 << 20),
            mirrored_bytes: Some(1 << 20),
            rights_age: Duration::from_secs(60),
        };
        std::fs::create_dir(path("registry")).unwrap();
        std::fs::create_dir(path("jobs")).unwrap();
        let directory = path("registry");
        let parts = ServiceParts { directory, config: &config, network: None, address: None };
        let registry = Arc::new(Service::open(parts).await.unwrap());
        let (store, _) = Store::open(&path("store")).unwrap();
        let outputs = Outputs::new(path("jobs"));
        let api = ArtifactApi::new(ArtifactApiParts {
            store: Arc::clone(&store),
            outputs: outputs.clone(),
            registry: Ok(Arc::clone(&registry)),
        });
        let listener = UnixListener::bind(path("socket")).unwrap();
        let server = Server::builder().add_service(ArtifactServiceServer::new(api));
        tokio::spawn(server.serve_with_incoming(UnixListenerStream::new(listener)));
        let client = ArtifactServiceClient::new(connect(path("socket")).await);
        Self { client, store, registry, outputs, home }
    }

    async fn submit(&self, tenant: &str, spec: JobSpec) -> Arc<JobHandle> {
        let submitted = self.store.submit(jobs::owner(tenant), spec, None).await.unwrap();
        let job = Arc::clone(submitted.handle());
        job.begin_attempt().await.unwrap();
        job.mark_started().await.unwrap();
        job.record_exit(CommandEnd { outcome: Outcome::Completed }).await.unwrap();
        job
    }

    /// As its guest wrote it.
    fn disk(&self, bytes: &[u8]) -> PathBuf {
        let disk = self.home.path().join("disk");
        std::fs::write(&disk, bytes).unwrap();
        disk
    }

    async fn take_over(&self, job: &JobHandle, tar: &[u8]) -> Image {
        let (disk, export) = (self.disk(tar), &exports()[0]);
        let length = tar.len() as u64;
        publish::take_over(&self.registry, job.owner(), job.id(), export, &disk, length)
            .await
            .unwrap()
    }

    /// A build that has ended, with an image and a tree.
    async fn built(&self, tenant: &str) -> Arc<JobHandle> {
        let build = build();
        let job = self.submit(tenant, spec(&build)).await;
        let image = self.take_over(&job, &layout()).await;
        let images = vec![image];
        let images = publish::publish(&self.registry, job.owner(), job.id(), &build, images);
        let images = images.await.unwrap();
        let target = self.outputs.path(job.id(), "tree");
        std::fs::create_dir_all(self.outputs.directory(job.id())).unwrap();
        let tree = output::ingest(&self.disk(b"a tree"), 6, &target).await.unwrap();
        job.record_outputs(vec![tree]).await.unwrap();
        let record = BuildRecord { images, ..BuildRecord::default() };
        job.record_build(Arc::new(record)).await.unwrap();
        job.end(Outcome::Completed).await.unwrap();
        job
    }

    async fn list(&self, job: &JobId) -> Result<Vec<v1::Artifact>, Status> {
        let request = v1::ListArtifactsRequest { job_id: job.to_string() };
        Ok(self.client.clone().list_artifacts(request).await?.into_inner().artifacts)
    }

    async fn stat(&self, job: &JobId, name: &str) -> Result<v1::Artifact, Status> {
        let request = v1::StatArtifactRequest { job_id: job.to_string(), name: name.to_owned() };
        Ok(self.client.clone().stat_artifact(request).await?.into_inner().artifact.unwrap())
    }

    async fn read(
        &self,
        job: &JobId,
        name: &str,
        offset: u64,
        length: u64,
    ) -> Result<Vec<u8>, Status> {
        let (job_id, name) = (job.to_string(), name.to_owned());
        let request = v1::DownloadArtifactRequest { job_id, name, offset, length };
        let mut stream = self.client.clone().download_artifact(request).await?.into_inner();
        let mut all = Vec::new();
        while let Some(part) = stream.next().await {
            all.extend(part?.data);
        }
        Ok(all)
    }
}

async fn connect(socket: PathBuf) -> Channel {
    let connect = tower::service_fn(move |_: Uri| {
        let socket = socket.clone();
        async move { UnixStream::connect(socket).await.map(TokioIo::new) }
    });
    Endpoint::from_static("http://kilnd").connect_with_connector(connect).await.unwrap()
}

fn exports() -> Vec<Export> {
    let image = ImageExport {
        names: vec!["local/app:1".to_owned(), "registry.example/app:1".to_owned()],
        ..ImageExport::default()
    };
    let export = |name: &str, output, kind| Export { name: name.to_owned(), output, kind };
    vec![
        export("image", 0, ExportKind::Image(image)),
        export("tree", 1, ExportKind::Tree { platform_split: false }),
    ]
}

fn build() -> Build {
    Build { exports: exports(), ..samples::build() }
}

fn spec(build: &Build) -> JobSpec {
    let output = |name: &str| OutputDisk {
        name: name.to_owned(),
        path: format!("/run/kiln/build/out/{name}"),
        format: DiskFormat::Raw,
        max_bytes: 1 << 20,
    };
    let work = Work::Build(Box::new(build.clone()));
    JobSpec { work, outputs: vec![output("image"), output("tree")], ..jobs::spec("unused") }
}

/// Of one layer, for this host.
fn layout() -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    let mut add = |path: &str, bytes: &[u8]| {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, path, bytes).unwrap();
    };
    let mut blob = |media_type: &str, bytes: &[u8]| {
        let digest = Digest::of(bytes);
        add(&format!("blobs/sha256/{}", digest.hex()), bytes);
        json!({"mediaType": format!("{OCI}.{media_type}"), "digest": digest, "size": bytes.len()})
    };
    let layer = vec![b'x'; 100_000];
    let config = json!({
        "os": "linux", "architecture": "amd64",
        "rootfs": {"type": "layers", "diff_ids": [Digest::of(&layer)]},
    });
    let config = blob("config.v1+json", config.to_string().as_bytes());
    let layer = blob("layer.v1.tar", &layer);
    let manifest = json!({
        "schemaVersion": 2, "mediaType": format!("{OCI}.manifest.v1+json"),
        "config": config, "layers": [layer],
    });
    let manifest = blob("manifest.v1+json", manifest.to_string().as_bytes());
    let index = json!({"schemaVersion": 2, "manifests": [manifest]});
    add("index.json", index.to_string().as_bytes());
    add("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#);
    tar.into_inner().unwrap()
}

#[tokio::test]
async fn a_build_has_its_tars_and_its_tree() {
    let host = Host::start().await;
    let job = host.built(TENANT).await;
    let listed = host.list(job.id()).await.unwrap();
    let names: Vec<_> = listed.iter().map(|artifact| artifact.name.as_str()).collect();
    assert_eq!(names, ["image.oci.tar", "image.docker.tar", "tree.tar"]);
    let image = job.snapshot().build.unwrap().images[0].clone();
    assert_eq!(image.names, ["local/app:1"]);
    for artifact in &listed {
        let all = host.read(job.id(), &artifact.name, 0, 0).await.unwrap();
        assert_eq!(all.len() as u64, artifact.size_bytes);
        let stat = host.stat(job.id(), &artifact.name).await.unwrap();
        assert_eq!(stat.digest, Digest::of(&all).to_string());
        let half = all.len() / 2;
        let rest = host.read(job.id(), &artifact.name, half as u64, 0).await.unwrap();
        assert!(rest == all[half..], "{}", artifact.name);
        let part = host.read(job.id(), &artifact.name, 1, 3).await.unwrap();
        assert_eq!(part, all[1..4]);
        let behind = host.read(job.id(), &artifact.name, artifact.size_bytes, 9).await.unwrap();
        assert_eq!(behind, b"");
        let error = host.read(job.id(), &artifact.name, artifact.size_bytes + 1, 0).await;
        assert_eq!(error.unwrap_err().code(), Code::OutOfRange);
    }
    assert_eq!(listed[0].image_digest, image.content.digest);
    assert_eq!(listed[2].image_digest, "");
}

#[tokio::test]
async fn what_is_not_there() {
    let host = Host::start().await;
    let job = host.built(TENANT).await;
    for name in ["image", "image.tar", "tree", "other.oci.tar", "", "../tree.tar"] {
        assert_eq!(host.stat(job.id(), name).await.unwrap_err().code(), Code::NotFound, "{name}");
    }
    let others = host.built("other").await;
    for refused in [
        host.list(others.id()).await.unwrap_err(),
        host.stat(others.id(), "image.oci.tar").await.unwrap_err(),
        host.read(others.id(), "image.oci.tar", 0, 0).await.unwrap_err(),
        host.list(&JobId::generate()).await.unwrap_err(),
    ] {
        assert_eq!(refused.code(), Code::NotFound, "{refused}");
    }
    let runs = host.submit(TENANT, spec(&build())).await;
    assert_eq!(host.list(runs.id()).await.unwrap(), []);
    let early = host.stat(runs.id(), "image.oci.tar").await.unwrap_err();
    assert_eq!(early.code(), Code::FailedPrecondition, "{early}");
}

#[tokio::test]
async fn what_has_expired_says_so() {
    let host = Host::start().await;
    let job = host.built(TENANT).await;
    job.expire_outputs().await.unwrap();
    publish::forget(&host.registry, job.owner(), job.id()).await.unwrap();
    for artifact in host.list(job.id()).await.unwrap() {
        assert!(artifact.expired, "{artifact:?}");
        let read = host.read(job.id(), &artifact.name, 0, 0).await.unwrap_err();
        assert_eq!(read.code(), Code::FailedPrecondition, "{read}");
    }
    // What has a name is the tenant's to keep.
    let reference: Reference = "local/app:1".parse().unwrap();
    host.registry.images().inspect(TENANT, &reference).await.unwrap();
}

#[tokio::test]
async fn nothing_is_named_before_everything_is_pushed() {
    let host = Host::start().await;
    let mut build = build();
    if let ExportKind::Image(image) = &mut build.exports[0].kind {
        image.push = true;
    }
    let job = host.submit(TENANT, spec(&build)).await;
    let images = vec![host.take_over(&job, &layout()).await];
    let publish = async |build: &Build| {
        publish::publish(&host.registry, job.owner(), job.id(), build, images.clone()).await
    };
    // The operator lets nothing out.
    let failure = publish(&build).await.unwrap_err();
    assert_eq!(failure.class, FailureClass::Policy, "{failure:?}");
    assert_eq!(failure.details["host"], "registry.example");
    let listing = Listing { limit: 10, ..Listing::default() };
    let named = host.registry.images().list(TENANT, &listing).await.unwrap().images;
    assert_eq!(named, []);
    if let ExportKind::Image(image) = &mut build.exports[0].kind {
        image.push = false;
    }
    // Whoever was killed does it again.
    for _ in 0..2 {
        assert_eq!(publish(&build).await.unwrap()[0].names, ["local/app:1"]);
    }
}

#[tokio::test]
async fn a_disk_that_is_no_image_is_the_guests_fault() {
    let host = Host::start().await;
    let job = host.submit(TENANT, spec(&build())).await;
    let disk = host.disk(&[0; 4096]);
    let export = &exports()[0];
    let taken = publish::take_over(&host.registry, job.owner(), job.id(), export, &disk, 4096);
    let failure = taken.await.unwrap_err();
    assert_eq!((failure.class, &*failure.details["output"]), (FailureClass::Policy, "image"));
    let large = vec![b'x'; 2 << 20];
    let mut tar = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_ustar();
    header.set_size(large.len() as u64);
    let path = format!("blobs/sha256/{}", Digest::of(&large).hex());
    tar.append_data(&mut header, path, &large[..]).unwrap();
    let tar = tar.into_inner().unwrap();
    let (disk, length) = (host.disk(&tar), tar.len() as u64);
    let taken = publish::take_over(&host.registry, job.owner(), job.id(), export, &disk, length);
    assert_eq!(taken.await.unwrap_err().class, FailureClass::DiskFull);
}
