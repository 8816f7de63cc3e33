//! `ReadOutput`.

use kiln_proto::v1;
use tokio::{sync::mpsc, task::spawn_blocking};
use tonic::Status;

use super::{
    caller::Caller,
    incoming::{self, OutputRequest},
    jobs::{Answers, JobApi, answers},
    status,
};
use crate::{
    job::{Job, OutputRecord},
    output::{OutputError, OutputReader},
};

impl JobApi {
    pub(super) async fn output(
        &self,
        caller: &Caller,
        request: v1::ReadOutputRequest,
    ) -> Result<Answers<v1::ReadOutputResponse>, Status> {
        let OutputRequest { id, name, offset } = incoming::read_output(request)?;
        // Counted before the look at the record: see `Outputs::reading`.
        let reading = self.parts.outputs.reading(&id);
        let record = named(&self.find(caller, &id).await?.snapshot(), &name)?;
        let outputs = self.parts.outputs.clone();
        let opened = spawn_blocking(move || outputs.read(&id, &record, offset, reading)).await;
        let opened = opened.map_err(|_| Status::internal("the output could not be opened"))?;
        let reader = opened.map_err(|error| status::output(&name, &error))?;
        let (answers, stream) = answers();
        tokio::spawn(async move { send(reader, &name, &answers).await });
        Ok(stream)
    }
}

/// The output of this name, or why there is none.
fn named(job: &Job, name: &str) -> Result<OutputRecord, Status> {
    if job.spec.is_image(name) {
        return Err(Status::failed_precondition(format!(
            "{name} of build {} is an image, which the registry keeps; ArtifactService has it as a \
             tar",
            job.id
        )));
    }
    if let Some(record) = job.outputs.iter().find(|output| output.name == name) {
        return Ok(record.clone());
    }
    let id = &job.id;
    let asked = job.spec.outputs.iter().any(|output| output.name == name);
    Err(match (asked, job.has_ended()) {
        (false, _) => Status::not_found(format!("job {id} has no output {name}")),
        (true, false) => Status::failed_precondition(format!(
            "job {id} has not ended, and its outputs come after its work; watch it, then read"
        )),
        (true, true) => Status::failed_precondition(format!(
            "job {id} did not complete, so its output {name} was never taken"
        )),
    })
}

async fn send(
    mut reader: OutputReader,
    name: &str,
    answers: &mpsc::Sender<Result<v1::ReadOutputResponse, Status>>,
) {
    loop {
        let answer = match reader.next().await {
            Ok(None) => return,
            Ok(Some(data)) => Ok(v1::ReadOutputResponse { data }),
            Err(source) => Err(status::output(name, &OutputError::Io { source })),
        };
        let last = answer.is_err();
        if answers.send(answer).await.is_err() || last {
            return;
        }
    }
}
