//! Root filesystems and machines that boot them, asked for and told of.

use std::sync::Arc;

use kiln_proto::v1;
use tonic::Code;

use super::{
    agent,
    service::{Running, Service, spec},
};
use crate::job::{
    BootRecord, Failure, FailureClass, JobId, Outcome, RootfsRecord, Up, UpBy,
    rootfs::{Converted, MadeRootfs},
};

fn rootfs(source: v1::rootfs_spec::Source) -> v1::JobSpec {
    let boot_check = Some(v1::BootCheck { off: true, ..v1::BootCheck::default() });
    let rootfs = v1::RootfsSpec { source: Some(source), boot_check, ..v1::RootfsSpec::default() };
    v1::JobSpec {
        work: Some(v1::job_spec::Work::Rootfs(rootfs)),
        disk_bytes: 1 << 30,
        ..v1::JobSpec::default()
    }
}

fn of_upload(id: &str) -> v1::JobSpec {
    rootfs(v1::rootfs_spec::Source::SourceId(id.to_owned()))
}

fn of_build(build_id: &str) -> v1::JobSpec {
    let build_id = build_id.to_owned();
    let build = v1::BuiltImageSource { build_id, export: String::new() };
    rootfs(v1::rootfs_spec::Source::Build(build))
}

fn boot(job_id: &str, artifact: &str) -> v1::JobSpec {
    let (job_id, artifact) = (job_id.to_owned(), artifact.to_owned());
    let source = v1::boot_spec::Source::Rootfs(v1::RootfsSource { job_id, artifact });
    let boot = v1::BootSpec { source: Some(source), ..v1::BootSpec::default() };
    v1::JobSpec { work: Some(v1::job_spec::Work::Boot(boot)), ..v1::JobSpec::default() }
}

async fn refused(service: &Service, spec: v1::JobSpec, code: Code, words: &str) {
    let status = service.create(spec).await.unwrap_err();
    assert_eq!(status.code(), code, "{status}");
    assert!(status.message().contains(words), "{status}");
}

/// As if a machine had made it.
async fn made(running: Running) -> JobId {
    let root = running.leave_output("rootfs", b"an ext4").await;
    let metadata = running.leave_output("metadata", b"{}").await;
    let made = MadeRootfs {
        digest: root.digest.clone(),
        size_bytes: root.size_bytes,
        converted: Converted { uuid: "u".to_owned(), ..Converted::default() },
    };
    let record = RootfsRecord { made: Some(made), ..RootfsRecord::default() };
    running.job.record_rootfs(Arc::new(record)).await.unwrap();
    let up =
        Up { degraded: true, by: UpBy::Systemd, after: Some(std::time::Duration::from_secs(7)) };
    let booted = BootRecord { up: Some(up), ..BootRecord::default() };
    running.job.record_boot(Arc::new(booted)).await.unwrap();
    running.command_over().await;
    running.job.record_outputs(vec![root, metadata]).await.unwrap();
    running.end(Outcome::Completed).await
}

#[tokio::test]
async fn an_upload_is_held_for_what_is_made_of_it() {
    let service = Service::start().await;
    let source = service.upload(&[b"an image"]).await.unwrap().source_id;
    let known = JobId::generate().to_string();
    refused(&service, of_upload(&known), Code::InvalidArgument, "spec.rootfs.source_id: ").await;
    let (job, running) = service.run(of_upload(&source)).await;
    assert_eq!(service.forget_unused_sources(), 0, "it is held");
    let Some(v1::job_spec::Work::Rootfs(told)) = job.spec.unwrap().work else { panic!() };
    assert_eq!((told.format.as_str(), told.init.as_str()), ("ext4", "direct"));
    assert!(told.boot_check.unwrap().off);
    let id = made(running).await;
    let job = service.get(id.as_str()).await.unwrap();
    let result = job.rootfs.unwrap();
    assert_eq!((result.artifact.as_str(), result.size_bytes), ("rootfs.ext4", 7));
    assert_eq!((result.uuid.as_str(), result.metadata.as_str()), ("u", "rootfs.json"));
    let booted = job.boot.unwrap();
    assert_eq!((booted.state.as_str(), booted.by.as_str()), ("degraded", "systemd"));
    assert_eq!(booted.up_after.unwrap().seconds, 7);
    assert_eq!(job.outputs.len(), 2);
}

#[tokio::test]
async fn nobody_is_let_into_the_machine_that_makes_one() {
    let service = Service::start().await;
    let source = service.upload(&[b"an image"]).await.unwrap().source_id;
    let (job, running) = service.run(of_upload(&source)).await;
    let (guest, _killed) = agent::guest().await;
    running.job.set_guest(Some(guest));
    let exec = v1::ExecSpec { argv: vec!["sh".to_owned()], ..v1::ExecSpec::default() };
    let start = v1::ExecInJob { id: job.id.clone(), exec: Some(exec) };
    let event = Some(v1::exec_in_job_request::Event::Start(start));
    let request = tokio_stream::once(v1::ExecInJobRequest { event });
    let status = service.client().exec_in_job(request).await.err().unwrap();
    assert_eq!(status.code(), Code::FailedPrecondition);
    assert!(status.message().contains("nobody is let into"), "{status}");
}

#[tokio::test]
async fn what_is_asked_for_once_more_may_have_lost_what_it_was_made_of() {
    let service = Service::start().await;
    let source = service.upload(&[b"an image"]).await.unwrap().source_id;
    let first = service.create_with_key(of_upload(&source), "key").await.unwrap();
    let running = service.turn().await;
    running.job.mark_started().await.unwrap();
    let id = made(running).await;
    assert_eq!(id.as_str(), first.id);
    super::service::until(|| service.forget_unused_sources() == 1).await;
    let again = service.create_with_key(of_upload(&source), "key").await.unwrap();
    assert_eq!(again.id, first.id);
    let booted = service.create_with_key(boot(&first.id, ""), "boot").await.unwrap();
    service.turn().await.end(Failure::new(FailureClass::User, "no").into()).await;
    let handle = service.store.find("local", &id).await.unwrap().unwrap();
    handle.expire_outputs().await.unwrap();
    let again = service.create_with_key(boot(&first.id, ""), "boot").await.unwrap();
    assert_eq!(again.id, booted.id);
    refused(&service, boot(&first.id, ""), Code::FailedPrecondition, "expired").await;
}

#[tokio::test]
async fn what_another_job_has_left_is_the_tenants_own_and_there() {
    let service = Service::start().await;
    let unknown = JobId::generate().to_string();
    refused(&service, of_build(&unknown), Code::NotFound, "spec.rootfs.build: ").await;
    refused(&service, boot(&unknown, ""), Code::NotFound, "spec.boot.rootfs: ").await;
    let (exec, running) = service.run(spec()).await;
    refused(&service, of_build(&exec.id), Code::FailedPrecondition, "is no build").await;
    refused(&service, boot(&exec.id, "x"), Code::FailedPrecondition, "has not ended").await;
    running.end(Outcome::Cancelled).await;
    refused(&service, boot(&exec.id, "x"), Code::FailedPrecondition, "did not complete").await;
    let source = service.upload(&[b"an image"]).await.unwrap().source_id;
    let (job, running) = service.run(of_upload(&source)).await;
    made(running).await;
    refused(&service, boot(&job.id, "rootfs.json"), Code::NotFound, "no artifact").await;
    let booted = service.create(boot(&job.id, "")).await.unwrap();
    let Some(v1::job_spec::Work::Boot(told)) = booted.spec.unwrap().work else { panic!() };
    let Some(v1::boot_spec::Source::Rootfs(of)) = told.source else { panic!() };
    assert_eq!((of.job_id, of.artifact.as_str()), (job.id, "rootfs.ext4"));
}
