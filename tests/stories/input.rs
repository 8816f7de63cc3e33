//! Bad input: an answer that names the field, and nothing changed.

mod wrong;

use kiln_proto::v1::{
    Attach, AttachJobRequest, CancelJobRequest, CreateJobRequest, ExecSpec, GetJobRequest, JobSpec,
    ListJobsRequest, ReadLogRequest, WatchJobRequest, attach_job_request, job_spec::Work,
};
use kiln_tests::{Stage, Story, noise, stories};
use tonic::{Code, Status};

pub(crate) fn stories() -> Vec<Story> {
    stories![
        every_field_of_a_job_is_checked.virtual_cpus(0),
        every_id_is_checked.virtual_cpus(0),
        bad_usage_of_the_command_line_exits_with_125.virtual_cpus(0),
    ]
}

/// One that would run.
fn fine() -> CreateJobRequest {
    let exec = ExecSpec { argv: vec!["true".to_owned()], ..ExecSpec::default() };
    let spec = JobSpec { work: Some(Work::Exec(exec)), ..JobSpec::default() };
    CreateJobRequest { spec: Some(spec), ..CreateJobRequest::default() }
}

async fn every_field_of_a_job_is_checked(stage: &Stage) -> anyhow::Result<()> {
    let host = stage.host().start().await?;
    let rounds = 500 / wrong::WRONGS.len() + 1;
    for round in 0..rounds as u64 {
        for (number, wrong) in wrong::WRONGS.iter().enumerate() {
            let mut dice = noise(round << 16 | number as u64, 64);
            dice[0] |= 1;
            let mut request = fine();
            (wrong.make)(&mut request, &dice);
            let shown = format!("{request:?}").chars().take(300).collect::<String>();
            let Err(status) = host.create(request).await? else {
                panic!("accepted a wrong {}: {shown}", wrong.field);
            };
            names(&status, wrong.field, &shown);
        }
    }
    assert!(host.list_jobs().await?.is_empty(), "a refused job is listed");
    assert!(host.vm_processes()?.is_empty(), "a refused job has a VM");
    let left = std::fs::read_dir(host.home().join("jobs"))?.count();
    assert_eq!(left, 0, "refused jobs left files");
    host.stop().await
}

fn names(status: &Status, field: &str, shown: &str) {
    assert_eq!(status.code(), Code::InvalidArgument, "{field}: {status}: {shown}");
    assert!(status.message().contains(field), "{field} is not named: {status}: {shown}");
    assert!(status.message().len() < 2000, "{field}: {status}");
}

async fn every_id_is_checked(stage: &Stage) -> anyhow::Result<()> {
    let host = stage.host().start().await?;
    let unknown = "01jd0000000000000000000000";
    for (id, code) in [
        ("", Code::InvalidArgument),
        ("x", Code::InvalidArgument),
        ("../../../etc/passwd", Code::InvalidArgument),
        ("01JD0000000000000000000000", Code::InvalidArgument),
        (&"0".repeat(100_000), Code::InvalidArgument),
        (unknown, Code::NotFound),
    ] {
        let id = || id.to_owned();
        let mut api = host.api().await?;
        let attach = AttachJobRequest {
            event: Some(attach_job_request::Event::Attach(Attach { id: id(), offset: 0 })),
        };
        let answers = [
            api.get_job(GetJobRequest { id: id() }).await.err(),
            api.cancel_job(CancelJobRequest { id: id() }).await.err(),
            refusal(api.watch_job(WatchJobRequest { id: id() }).await).await,
            refusal(api.read_log(ReadLogRequest { id: id(), ..Default::default() }).await).await,
            refusal(api.attach_job(tokio_stream::once(attach)).await).await,
        ];
        for (call, answer) in ["get", "cancel", "watch", "read", "attach"].iter().zip(answers) {
            let status = answer.unwrap_or_else(|| panic!("{call} took the id {:.40}", id()));
            assert_eq!(status.code(), code, "{call} of {:.40}: {status}", id());
        }
    }
    let request = ListJobsRequest { page_token: "no token".to_owned(), ..Default::default() };
    let status = host.api().await?.list_jobs(request).await.expect_err("took a wrong token");
    names(&status, "page_token", "");
    let request = ListJobsRequest { page_size: 1001, ..Default::default() };
    let status = host.api().await?.list_jobs(request).await.expect_err("took a wrong size");
    names(&status, "page_size", "");
    host.stop().await
}

/// A stream may be refused at once, or by its first word.
async fn refusal<T>(
    answer: Result<tonic::Response<tonic::Streaming<T>>, Status>,
) -> Option<Status> {
    match answer {
        Err(status) => Some(status),
        Ok(stream) => stream.into_inner().message().await.err(),
    }
}

async fn bad_usage_of_the_command_line_exits_with_125(stage: &Stage) -> anyhow::Result<()> {
    let host = stage.host().start().await?;
    for (arguments, named) in [
        (["run"].as_slice(), "COMMAND"),
        (&["run", "--no-such-option", "--", "true"], "--no-such-option"),
        (&["run", "--memory", "lots", "--", "true"], "--memory"),
        (&["run", "--timeout", "soon", "--", "true"], "--timeout"),
        (&["run", "--cpus", "9999", "--", "true"], "cpus"),
        (&["run", "--workdir", "relative", "--", "true"], "workdir"),
        (&["run", "--env", "A=1", "--env", "=x", "--", "true"], "--env"),
        (&["job", "get", "no-such-job"], "no-such-job"),
        (&["no-such-command"], "no-such-command"),
    ] {
        let ended = host.kiln(arguments).run().await?;
        assert_eq!(ended.code, Some(125), "{arguments:?}: {ended}");
        assert!(ended.stderr_text().contains(named), "{arguments:?}: {ended}");
        assert!(ended.stdout.is_empty(), "{arguments:?}: {ended}");
    }
    assert!(host.list_jobs().await?.is_empty(), "a refused job is listed");
    host.stop().await
}
