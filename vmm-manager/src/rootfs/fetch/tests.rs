//! Images on their way to a disk, out of a store of our own.

use std::time::Duration;

use kiln_registry::{digest::Digest, registries::Registries};
use serde_json::json;
use tempfile::TempDir;

use super::*;
use crate::{config::RegistryConfig, job::FailureClass, registry::ServiceParts};

const OCI: &str = "application/vnd.oci.image";

/// That asks nobody.
async fn service(directory: &TempDir) -> Service {
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
    let directory = directory.path().join("registry");
    std::fs::create_dir(&directory).unwrap();
    let parts = ServiceParts { directory, config: &config, network: None, address: None };
    Service::open(parts).await.unwrap()
}

fn owner() -> Owner {
    Owner { tenant: "local".to_owned(), project: "default".to_owned() }
}

/// A tar of an image without layers.
fn image() -> Vec<u8> {
    let config = json!({"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": []}});
    let config = config.to_string().into_bytes();
    let digest = |bytes: &[u8]| Digest::of(bytes).to_string();
    let manifest = json!({
        "schemaVersion": 2, "mediaType": format!("{OCI}.manifest.v1+json"),
        "config": {"mediaType": format!("{OCI}.config.v1+json"), "digest": digest(&config),
            "size": config.len()},
        "layers": [],
    });
    let manifest = manifest.to_string().into_bytes();
    let index = json!({
        "schemaVersion": 2, "mediaType": format!("{OCI}.index.v1+json"),
        "manifests": [{"mediaType": format!("{OCI}.manifest.v1+json"), "digest": digest(&manifest),
            "size": manifest.len(), "platform": {"os": "linux", "architecture": "amd64"}}],
    });
    let blob = |bytes: &[u8]| digest(bytes).replace("sha256:", "blobs/sha256/");
    let files = [
        ("oci-layout".to_owned(), br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec()),
        ("index.json".to_owned(), index.to_string().into_bytes()),
        (blob(&config), config),
        (blob(&manifest), manifest),
    ];
    let mut tar = tar::Builder::new(Vec::new());
    for (name, bytes) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, name, bytes.as_slice()).unwrap();
    }
    tar.into_inner().unwrap()
}

async fn fetched(
    service: &Service,
    name: &str,
    most_bytes: u64,
) -> Result<(String, Vec<u8>, u32), Failure> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("fetched.raw");
    let target = Target { path: &path, most_bytes };
    let Fetched { digest, is_stale } =
        by_name(service, &owner(), name, "linux/amd64", target).await?;
    assert!(!is_stale, "it has no other place");
    let mode = std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
    Ok((digest, std::fs::read(&path).unwrap(), mode))
}

#[tokio::test]
async fn an_image_of_the_tenants_own_becomes_a_disk() {
    let directory = tempfile::tempdir().unwrap();
    let service = service(&directory).await;
    let name: Reference = "local/app:1".parse().unwrap();
    let tar = Box::pin(tokio_stream::once(Ok(image().into())));
    service.images().import("local", Some(&name), tar).await.unwrap();
    let (digest, bytes, mode) = fetched(&service, "local/app:1", 1 << 20).await.unwrap();
    assert!(digest.starts_with("sha256:"));
    assert_eq!((bytes.len() % 4096, mode), (0, 0o644));
    let mut tar = tar::Archive::new(bytes.as_slice());
    let names: Vec<_> = tar
        .entries()
        .unwrap()
        .map(|entry| entry.unwrap().path().unwrap().display().to_string())
        .collect();
    assert!(names.contains(&"index.json".to_owned()), "{names:?}");
    let error = fetched(&service, "local/app:1", 1000).await.unwrap_err();
    assert_eq!(error.class, FailureClass::DiskFull);
    assert_eq!(error.details["reason"], "image_too_large");
}

#[tokio::test]
async fn an_image_that_is_not_there_says_whose_fault_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let service = service(&directory).await;
    let error = fetched(&service, "local/none:1", 1 << 20).await.unwrap_err();
    assert_eq!((error.class, error.details["reason"].as_str()), (FailureClass::Source, "no_image"));
    let error = fetched(&service, "one.test/app:1", 1 << 20).await.unwrap_err();
    assert_eq!(error.class, FailureClass::Registry, "{error:?}");
    assert_eq!(error.details["reason"], "pull_failed");
}

#[tokio::test]
async fn a_registry_that_is_slow_is_named() {
    let never = std::future::pending::<()>();
    let elapsed = tokio::time::timeout(Duration::ZERO, never).await.unwrap_err();
    let slow = late(&RootfsImage::Reference("one.test/team/app:1".to_owned()), &elapsed);
    assert_eq!(slow.class, FailureClass::Registry);
    let details = ["host", "repository", "step"].map(|name| slow.details[name].as_str());
    assert_eq!(details, ["one.test", "team/app", "fetch"]);
    let own = late(&RootfsImage::Reference("local/app:1".to_owned()), &elapsed);
    assert_eq!(own.class, FailureClass::Infrastructure);
}
