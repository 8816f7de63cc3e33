//! What jobs leave, read back and expired.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use kiln_proto::v1;
use tonic::{Code, Status};

use super::service::{Service, next, spec, with_output, write};
use crate::{
    job::Outcome,
    retention::{KeptJobs, Retention, RetentionLimits},
};

async fn read(service: &Service, id: &str, name: &str, offset: u64) -> Result<Vec<u8>, Status> {
    let request = v1::ReadOutputRequest { id: id.to_owned(), name: name.to_owned(), offset };
    let mut answers = service.client().read_output(request).await?.into_inner();
    let mut bytes = Vec::new();
    while let Some(answer) = next(&mut answers).await {
        bytes.extend_from_slice(&answer?.data);
    }
    Ok(bytes)
}

async fn check(service: &Service, id: &str, name: &str, offset: u64, code: Code) {
    let refused = read(service, id, name, offset).await.unwrap_err();
    assert_eq!(refused.code(), code, "{refused}");
}

/// Runs a job to its end that leaves this.
async fn leave(service: &Service, content: &[u8]) -> v1::Job {
    let (job, running) = service.run(with_output("out")).await;
    let mut log = running.log().await;
    write(&mut log, "log").await;
    log.seal().await.unwrap();
    running.command_over().await;
    let record = running.leave_output("out", content).await;
    running.job.record_outputs(vec![record]).await.unwrap();
    running.end(Outcome::Completed).await;
    service.get(&job.id).await.unwrap()
}

#[tokio::test]
async fn an_output_is_read_from_any_offset_once_its_job_has_left_it() {
    let service = Service::start().await;
    let (job, running) = service.run(with_output("out")).await;
    check(&service, &job.id, "out", 0, Code::FailedPrecondition).await;
    check(&service, &job.id, "other", 0, Code::NotFound).await;
    running.end(Outcome::Timeout).await;
    check(&service, &job.id, "out", 0, Code::FailedPrecondition).await;
    let content: Vec<u8> = (0..=250).cycle().take(300_000).collect();
    let job = leave(&service, &content).await;
    assert_eq!((job.outputs[0].size_bytes, job.outputs[0].expired), (300_000, false));
    for offset in [0, 1, 299_999, 300_000] {
        let from = usize::try_from(offset).unwrap();
        assert_eq!(read(&service, &job.id, "out", offset).await.unwrap(), &content[from..]);
    }
    check(&service, &job.id, "out", 300_001, Code::OutOfRange).await;
    check(&service, &job.id, "out", u64::MAX, Code::OutOfRange).await;
    std::fs::write(service.outputs.path(&job.id.parse().unwrap(), "out"), "altered").unwrap();
    check(&service, &job.id, "out", 0, Code::DataLoss).await;
}

#[tokio::test]
async fn outputs_expire_and_jobs_are_forgotten_but_not_under_a_reader() {
    let service = Service::start().await;
    let mut jobs = Vec::new();
    for _ in 0..4 {
        jobs.push(leave(&service, &vec![7; 1_000_000]).await.id);
    }
    let running = service.run(spec()).await;
    let path = service.home.path().join("jobs");
    let archive = KeptJobs::new(Arc::clone(&service.store), service.outputs.clone(), path.clone());
    let limits = RetentionLimits {
        jobs: 3,
        job_age: Duration::from_secs(3600),
        output_age: Duration::from_secs(3600),
        output_bytes: 2_500_000,
    };
    let retention = Retention::new(Arc::new(archive), limits);
    // As a call has it that reads: its answers may all be on their way already.
    let reading = service.outputs.reading(&jobs[0].parse().unwrap());
    retention.apply(SystemTime::now()).await;
    assert!(service.get(&jobs[0]).await.is_ok(), "the oldest one is read");
    assert_eq!(service.get(&jobs[1]).await.unwrap_err().code(), Code::NotFound);
    assert!(!path.join(&jobs[1]).exists());
    let expired = service.get(&jobs[2]).await.unwrap();
    assert!(expired.outputs[0].expired);
    check(&service, &jobs[2], "out", 0, Code::FailedPrecondition).await;
    assert!(path.join(&jobs[2]).exists() && !path.join(&jobs[2]).join("outputs").exists());
    assert_eq!(read(&service, &jobs[3], "out", 999_999).await.unwrap(), [7]);
    drop(reading);
    retention.apply(SystemTime::now() + Duration::from_secs(7200)).await;
    assert_eq!(service.list().await.len(), 1, "only what has not ended");
    // A directory that a forgotten job has left, and one of nobody's.
    std::fs::create_dir(path.join(&jobs[0])).unwrap();
    std::fs::create_dir(path.join("foreign")).unwrap();
    std::fs::create_dir_all(path.join(&running.0.id)).unwrap();
    retention.sweep().await;
    let mut left: Vec<_> =
        std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, [running.0.id.as_str(), "foreign"]);
}

#[tokio::test]
async fn outputs_that_were_lost_from_outside_are_recorded_as_gone() {
    let service = Service::start().await;
    let job = leave(&service, b"content").await;
    let path = service.home.path().join("jobs");
    std::fs::remove_file(service.outputs.path(&job.id.parse().unwrap(), "out")).unwrap();
    check(&service, &job.id, "out", 0, Code::DataLoss).await;
    let archive = KeptJobs::new(Arc::clone(&service.store), service.outputs.clone(), path);
    let limits = RetentionLimits {
        jobs: 3,
        job_age: Duration::from_secs(3600),
        output_age: Duration::from_secs(3600),
        output_bytes: 2_500_000,
    };
    Retention::new(Arc::new(archive), limits).sweep().await;
    assert!(service.get(&job.id).await.unwrap().outputs[0].expired);
}
