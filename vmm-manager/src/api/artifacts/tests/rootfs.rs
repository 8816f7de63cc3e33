//! What root filesystems are called, and images of builds on their way to becoming one.

use super::*;
use crate::{
    job::{
        OutputRecord, Rootfs,
        rootfs::{Packing, RootfsFormat},
    },
    rootfs::{
        fetch::{self, Target},
        origin,
        samples::rootfs,
    },
};

async fn made(host: &Host, rootfs: Rootfs) -> Arc<JobHandle> {
    let (work, outputs) = (Work::Rootfs(Box::new(rootfs)), Rootfs::outputs(1 << 20));
    let job = host.submit(TENANT, JobSpec { work, outputs, ..jobs::spec("unused") }).await;
    std::fs::create_dir_all(host.outputs.directory(job.id())).unwrap();
    let mut records = Vec::new();
    for (name, bytes) in [("rootfs", &b"an ext4"[..]), ("metadata", b"{}")] {
        let target = host.outputs.path(job.id(), name);
        let disk = host.disk(bytes);
        records.push(output::ingest(&disk, bytes.len() as u64, &target).await.unwrap());
    }
    job.record_outputs(records).await.unwrap();
    job.end(Outcome::Completed).await.unwrap();
    job
}

#[tokio::test]
async fn a_root_filesystem_is_named_by_what_it_is() {
    let host = Host::start().await;
    let check = async |rootfs: Rootfs, name: &str, media_type: &str| {
        let job = made(&host, rootfs).await;
        let listed = host.list(job.id()).await.unwrap();
        let told: Vec<_> =
            listed.iter().map(|one| (one.name.as_str(), one.media_type.as_str())).collect();
        assert_eq!(told, [(name, media_type), ("rootfs.json", "application/json")]);
        assert_eq!(host.read(job.id(), name, 0, 0).await.unwrap(), b"an ext4");
        assert_eq!(host.read(job.id(), "rootfs.json", 0, 0).await.unwrap(), b"{}");
        let stat = host.stat(job.id(), name).await.unwrap();
        assert_eq!(stat.digest, Digest::of(b"an ext4").to_string());
        let error = host.stat(job.id(), "rootfs").await.unwrap_err();
        assert_eq!(error.code(), Code::NotFound, "an output's name is none of an artifact");
    };
    check(rootfs(), "rootfs.ext4", "application/octet-stream").await;
    let packed = Rootfs { packing: Packing::Gzip, ..rootfs() };
    check(packed, "rootfs.ext4.gz", "application/gzip").await;
    let tar = Rootfs { format: RootfsFormat::Tar, ..rootfs() };
    check(tar.clone(), "rootfs.tar", "application/x-tar").await;
    let packed = Rootfs { packing: Packing::Zstd, ..tar };
    check(packed, "rootfs.tar.zst", "application/zstd").await;
}

#[tokio::test]
async fn the_image_of_a_build_becomes_a_disk() {
    let host = Host::start().await;
    let job = host.built(TENANT).await;
    let mut record = job.snapshot();
    let of_image = OutputRecord {
        name: "image".to_owned(),
        size_bytes: 1,
        digest: String::new(),
        expired: false,
    };
    record.outputs.push(of_image);
    let image = origin::image(&record, "").unwrap();
    let path = host.home.path().join("fetched.raw");
    let target = Target { path: &path, most_bytes: 1 << 20 };
    let fetched = fetch::of_build(&host.registry, job.owner(), job.id(), image, target).await;
    assert_eq!(fetched.unwrap().digest, image.content.digest);
    let disk = std::fs::read(&path).unwrap();
    assert_eq!(disk.len() % 4096, 0);
    let mut tar = tar::Archive::new(disk.as_slice());
    let names: Vec<_> = tar
        .entries()
        .unwrap()
        .map(|entry| entry.unwrap().path().unwrap().display().to_string())
        .collect();
    assert!(names.contains(&"index.json".to_owned()), "{names:?}");
    publish::forget(&host.registry, job.owner(), job.id()).await.unwrap();
    let path = host.home.path().join("again.raw");
    let target = Target { path: &path, most_bytes: 1 << 20 };
    let gone = fetch::of_build(&host.registry, job.owner(), job.id(), image, target).await;
    assert_eq!(gone.unwrap_err().class, FailureClass::Source);
}
