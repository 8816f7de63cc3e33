//! What the host's registry served to a job, and how the registry is.

use std::{
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

use kiln_proto::v1;
use kiln_registry::{
    digest::Digest,
    record::{Kind, Origin},
    registries::Registries,
};

use super::service::{Service, spec};
use crate::{
    config::RegistryConfig,
    job::Outcome,
    network::Networkless,
    registry::{self, Refused, RegistryRecord, Served, ServiceParts},
};

fn record() -> RegistryRecord {
    let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
    let served = Served {
        kind: Kind::Manifest,
        registry: Some("registry.example:5443".parse().unwrap()),
        repository: "team/app".to_owned(),
        tag: Some("12".to_owned()),
        digest: Digest::of(b"m"),
        media_type: "application/json".to_owned(),
        bytes: 3,
        origin: Origin::Stale,
        times: 2,
        first: at(5),
        last: at(6),
    };
    let refused = Refused {
        registry: None,
        repository: "local/app".to_owned(),
        target: "13".to_owned(),
        code: "MANIFEST_UNKNOWN".to_owned(),
        reason: "there is none".to_owned(),
        upstream_status: Some(404),
        retry_after_seconds: Some(30),
        times: 4,
        first: at(7),
        last: at(8),
    };
    RegistryRecord {
        materials: vec![served],
        refusals: vec![refused],
        more_materials: 9,
        ..RegistryRecord::default()
    }
}

#[tokio::test]
async fn materials_are_told_of_one_job_and_not_in_lists() {
    let service = Service::start().await;
    let (job, running) = service.run(spec()).await;
    assert_eq!(service.get(&job.id).await.unwrap().registry, None);
    running.job.record_registry(Arc::new(record())).await.unwrap();
    running.end(Outcome::Completed).await;
    let told = service.get(&job.id).await.unwrap().registry.unwrap();
    let expected = v1::RegistryRecord {
        materials: vec![v1::Material {
            kind: "manifest".to_owned(),
            registry: "registry.example:5443".to_owned(),
            repository: "team/app".to_owned(),
            tag: "12".to_owned(),
            digest: Digest::of(b"m").to_string(),
            media_type: "application/json".to_owned(),
            bytes: 3,
            origin: "stale".to_owned(),
            times: 2,
            first_at: Some(time(5)),
            last_at: Some(time(6)),
        }],
        refusals: vec![v1::RegistryRefusal {
            registry: String::new(),
            repository: "local/app".to_owned(),
            target: "13".to_owned(),
            code: "MANIFEST_UNKNOWN".to_owned(),
            reason: "there is none".to_owned(),
            upstream_status: 404,
            retry_after_seconds: 30,
            times: 4,
            first_at: Some(time(7)),
            last_at: Some(time(8)),
        }],
        more_materials: 9,
        more_refusals: 0,
        incomplete: String::new(),
    };
    assert_eq!(told, expected);
    assert!(service.list().await.iter().all(|job| job.registry.is_none()));
}

fn time(seconds: i64) -> prost_types::Timestamp {
    prost_types::Timestamp { seconds, nanos: 0 }
}

async fn host(service: &Service) -> v1::GetHostResponse {
    service.host.clone().get_host(v1::GetHostRequest {}).await.unwrap().into_inner()
}

#[tokio::test]
async fn how_the_registry_is_is_told() {
    let without = host(&Service::start().await).await;
    assert_eq!(
        (without.registry, without.no_registry.as_str()),
        (None, "kilnd runs with --no-registry")
    );
    let directory = tempfile::tempdir().unwrap();
    let config = RegistryConfig {
        registries: Registries::default(),
        registries_file: None,
        mirrors: Vec::new(),
        offline: true,
        listen: None,
        quota_bytes: Some(1 << 20),
        mirrored_bytes: Some(u64::MAX / 2),
        rights_age: Duration::ZERO,
    };
    let parts = ServiceParts {
        directory: directory.path().to_owned(),
        config: &config,
        network: None,
        address: Some("127.0.0.1:5000".parse().unwrap()),
    };
    let registry = Arc::new(registry::Service::open(parts).await.unwrap());
    let service = Service::start_on(Err(Networkless::Unwanted), Ok(registry)).await;
    let mut told = host(&service).await.registry.unwrap();
    let troubles = std::mem::take(&mut told.troubles);
    let expected = v1::HostRegistry {
        address: "127.0.0.1:5000".to_owned(),
        most_mirrored_bytes: u64::MAX / 2,
        quota_bytes: 1 << 20,
        offline: true,
        ..v1::HostRegistry::default()
    };
    assert_eq!(told, expected);
    assert!(troubles.iter().any(|words| words.contains("--registry-size")), "{troubles:?}");
}
