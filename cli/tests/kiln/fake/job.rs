//! Records for the fake to hand out.

use kiln_proto::v1;

pub(crate) fn job(id: &str, state: v1::JobState, argv: &[&str]) -> v1::Job {
    v1::Job {
        id: id.to_owned(),
        tenant: "local".to_owned(),
        project: "default".to_owned(),
        spec: Some(v1::JobSpec {
            cpus: 1,
            memory_bytes: 512 << 20,
            disk_bytes: 10 << 30,
            work: Some(v1::job_spec::Work::Exec(v1::ExecSpec {
                argv: argv.iter().map(ToString::to_string).collect(),
                ..v1::ExecSpec::default()
            })),
            ..v1::JobSpec::default()
        }),
        state: state.into(),
        created_at: Some(std::time::SystemTime::now().into()),
        ..v1::Job::default()
    }
}

pub(crate) fn completed(job: &mut v1::Job) {
    job.set_state(v1::JobState::Completed);
    job.exit = Some(v1::ExitStatus { code: 0, signal: 0 });
}

pub(crate) fn timed_out(job: &mut v1::Job) {
    job.set_state(v1::JobState::Timeout);
}

pub(crate) fn exited<const CODE: i32>(job: &mut v1::Job) {
    failed(job, v1::FailureClass::User, "the command failed", &[]);
    let signal = if CODE > 128 { CODE - 128 } else { 0 };
    job.exit = Some(v1::ExitStatus { code: CODE, signal });
}

pub(crate) fn failed(
    job: &mut v1::Job,
    class: v1::FailureClass,
    message: &str,
    details: &[(&str, &str)],
) {
    job.set_state(v1::JobState::Failed);
    let owned = |&(name, value): &(&str, &str)| (name.to_owned(), value.to_owned());
    job.failure = Some(v1::Failure {
        class: class.into(),
        message: message.to_owned(),
        details: details.iter().map(owned).collect(),
    });
}
