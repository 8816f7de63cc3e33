//! The engine of a build's guest.

use crate::{
    disk::ENGINE_SERIAL,
    guest::{AgentCode, Engine, GuestError, StartEngine},
    job::{Failure, FailureClass, Step},
    lifecycle::{Host, end::guest_failure, greeted::Greeted},
    store::JobHandle,
};

/// Once: the agent remembers, so a kilnd that was restarted may ask again.
pub(super) async fn start(host: &Host, job: &JobHandle, greeted: &Greeted) -> Result<(), Failure> {
    let start = StartEngine {
        disk: ENGINE_SERIAL.to_owned(),
        memory_bytes: job.spec().memory_bytes,
        limit: host.limits.engine,
    };
    match greeted.guest.start_engine(start).await {
        Ok(Engine { version, steps, platforms }) => {
            let job = job.id();
            tracing::info!(%job, version, ?platforms, "an engine is ready");
            for step in steps {
                tracing::debug!(%job, step = step.name, since = ?step.since_kernel_start);
            }
            Ok(())
        }
        Err(GuestError::Agent { code, message, .. }) => Err(refused(code, &message)),
        Err(error) => Err(guest_failure(Step::Engine.name(), error, greeted.machine()).await),
    }
}

fn refused(code: AgentCode, words: &str) -> Failure {
    let (reason, message) = match code {
        AgentCode::Unavailable => (
            "no_engine",
            format!("the host's guest image has no build engine; use one that has: {words}"),
        ),
        _ => ("engine", format!("the build engine did not start: {words}")),
    };
    Failure::new(FailureClass::Infrastructure, message)
        .with("step", Step::Engine)
        .with("reason", reason)
}
