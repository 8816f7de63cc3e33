//! Sources brought in, and held for the jobs that name them.

use kiln_proto::v1;
use tonic::Code;

use super::service::{MOST_SOURCE_BYTES, Service, data, spec, start, until, with_input};
use crate::{
    digest::Hasher,
    job::{Outcome, Owner, SourceId},
};

#[tokio::test]
async fn a_source_is_held_from_its_job_to_that_jobs_end() {
    let service = Service::start().await;
    let source = service.upload(&[b"some ", b"bytes"]).await.unwrap();
    assert_eq!(source.size_bytes, 10);
    assert!(source.digest.starts_with("sha256:"));
    let (job, running) = service.run(with_input(&source.source_id)).await;
    let queued = service.create(with_input(&source.source_id)).await.unwrap();
    assert_eq!(service.forget_unused_sources(), 0, "two jobs name it");
    running.end(Outcome::Completed).await;
    let second = service.turn().await;
    assert_eq!((second.job.id().as_str(), service.forget_unused_sources()), (&*queued.id, 0));
    second.end(Outcome::Cancelled).await;
    until(|| service.forget_unused_sources() == 1).await;
    let gone = service.create(with_input(&source.source_id)).await.unwrap_err();
    assert_eq!(gone.code(), Code::InvalidArgument);
    assert!(gone.message().starts_with("spec.inputs[0].source_id: "), "{gone}");
    assert_eq!(
        service.get(&job.id).await.unwrap().spec.unwrap().inputs[0].source_id,
        source.source_id
    );
}

#[tokio::test]
async fn a_job_that_is_asked_for_again_may_have_outlived_its_source() {
    let service = Service::start().await;
    let source = service.upload(&[b"x"]).await.unwrap();
    let job = service.create_with_key(with_input(&source.source_id), "key").await.unwrap();
    service.turn().await.end(Outcome::Cancelled).await;
    until(|| service.forget_unused_sources() == 1).await;
    let again = service.create_with_key(with_input(&source.source_id), "key").await.unwrap();
    assert_eq!(again.id, job.id);
    let other = with_input(SourceId::generate().as_str());
    let refused = service.create_with_key(other, "key").await.unwrap_err();
    assert_eq!(refused.code(), Code::AlreadyExists, "{refused}");
}

#[tokio::test]
async fn another_tenants_source_is_none() {
    let service = Service::start().await;
    let owner = Owner { tenant: "other".to_owned(), project: "default".to_owned() };
    let upload = service.sources.begin(owner, None).await.unwrap();
    let theirs = upload.finish().await.unwrap();
    let mine = service.upload(&[b"mine"]).await.unwrap();
    let mut both = with_input(&mine.source_id);
    both.inputs.extend(with_input(theirs.id.as_str()).inputs);
    let refused = service.create(both).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert!(refused.message().starts_with("spec.inputs[1].source_id: there is no source"));
    assert!(service.list().await.is_empty());
    assert_eq!(service.forget_unused_sources(), 2, "a job that was refused holds nothing");
}

#[tokio::test]
async fn an_upload_that_is_not_as_it_was_announced_leaves_nothing() {
    let service = Service::start().await;
    let check = |requests: Vec<_>, code: Code, words: &'static str| {
        let mut client = service.client();
        async move {
            let refused = client.upload_source(tokio_stream::iter(requests)).await.unwrap_err();
            assert_eq!(refused.code(), code, "{refused}");
            assert!(refused.message().contains(words), "{refused}");
        }
    };
    check(vec![], Code::InvalidArgument, "start: must come first").await;
    check(vec![data(b"x")], Code::InvalidArgument, "start: must come first").await;
    check(vec![start(1), start(1)], Code::InvalidArgument, "start: comes first, and only").await;
    check(vec![start(1), data(b"xy")], Code::InvalidArgument, "start.size_bytes: more").await;
    check(vec![start(3), data(b"xy")], Code::InvalidArgument, "start.size_bytes: 2 bytes").await;
    check(vec![start(MOST_SOURCE_BYTES)], Code::ResourceExhausted, "left for sources").await;
    let much = vec![data(&vec![0; 700_000]); 2];
    let flood = std::iter::once(start(0)).chain(much).collect();
    check(flood, Code::ResourceExhausted, "left for sources").await;
    until(|| service.sources.used_bytes() == 0).await;
    let directory = service.home.path().join("sources");
    until(|| std::fs::read_dir(&directory).unwrap().count() == 0).await;
}

#[tokio::test]
async fn a_client_that_goes_in_the_middle_leaves_nothing() {
    let service = Service::start().await;
    let (requests, receiver) = tokio::sync::mpsc::channel(4);
    let mut client = service.client();
    let stream = tokio_stream::wrappers::ReceiverStream::new(receiver);
    let upload = tokio::spawn(async move { client.upload_source(stream).await });
    requests.send(start(500_000)).await.unwrap();
    requests.send(data(&[1; 1000])).await.unwrap();
    until(|| service.sources.used_bytes() > 500_000).await;
    upload.abort();
    assert!(upload.await.unwrap_err().is_cancelled());
    until(|| service.sources.used_bytes() == 0).await;
    service.create(spec()).await.unwrap();
}

async fn find(service: &Service, content: &[u8]) -> v1::FindSourceResponse {
    let (digest, size_bytes) = (digest(content), content.len() as u64);
    let request = v1::FindSourceRequest { project: String::new(), digest, size_bytes };
    service.client().find_source(request).await.unwrap().into_inner()
}

fn digest(content: &[u8]) -> String {
    let mut hasher = Hasher::default();
    hasher.update(content);
    hasher.finish()
}

/// The start of an upload that is known.
fn known(content: &[u8], offset: u64) -> v1::UploadSourceRequest {
    let (digest, size_bytes) = (digest(content), content.len() as u64);
    let start = v1::UploadStart { project: String::new(), size_bytes, digest, offset };
    v1::UploadSourceRequest { event: Some(v1::upload_source_request::Event::Start(start)) }
}

#[tokio::test]
async fn what_is_known_is_found_gone_on_with_and_sent_once() {
    let service = Service::start().await;
    let content: Vec<u8> = (0..=250).cycle().take(400_000).collect();
    assert_eq!(find(&service, &content).await, v1::FindSourceResponse::default());
    let (requests, receiver) = tokio::sync::mpsc::channel(4);
    let mut client = service.client();
    let stream = tokio_stream::wrappers::ReceiverStream::new(receiver);
    let upload = tokio::spawn(async move { client.upload_source(stream).await });
    requests.send(known(&content, 0)).await.unwrap();
    for part in content[..200_000].chunks(10_000) {
        requests.send(data(part)).await.unwrap();
    }
    until(|| service.sources.used_bytes() > 0).await;
    // All of it is with the host before the client goes.
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    upload.abort();
    let _ = upload.await;
    let mut there = 0;
    for _ in 0..1000 {
        there = find(&service, &content).await.partial_bytes;
        if there > 0 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    assert!((128 << 10..=200_000).contains(&there), "{there}");

    let far =
        vec![known(&content, there + 1), data(&content[usize::try_from(there).unwrap() + 1..])];
    let refused = service.client().upload_source(tokio_stream::iter(far)).await.unwrap_err();
    assert_eq!(refused.code(), Code::OutOfRange, "{refused}");
    assert!(refused.message().starts_with("start.offset: "), "{refused}");

    let from = usize::try_from(there).unwrap() - 1000;
    let parts = content[from..].chunks(50_000).map(data);
    let rest = std::iter::once(known(&content, from as u64)).chain(parts).collect::<Vec<_>>();
    let source = service.client().upload_source(tokio_stream::iter(rest)).await.unwrap();
    let source = source.into_inner();
    assert_eq!((source.size_bytes, &source.digest), (400_000, &digest(&content)));
    let found = find(&service, &content).await;
    assert_eq!((&found.source_id, found.partial_bytes), (&source.source_id, 0));
    assert_eq!(service.upload(&[&content]).await.unwrap().source_id, source.source_id);

    let other = vec![known(b"what was said", 0), data(b"what has come")];
    let refused = service.client().upload_source(tokio_stream::iter(other)).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert!(refused.message().starts_with("start.digest: what arrived is sha256:"), "{refused}");
}
