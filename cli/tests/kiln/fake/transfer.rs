//! Sources in, outputs out, commands into a running job.

use std::{fmt::Write, sync::Arc};

use kiln_proto::v1::{
    self, exec_in_job_request::Event as ExecRequest, exec_in_job_response::Event as ExecResponse,
    upload_source_request::Event as Upload,
};
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;
use tonic::{Status, Streaming};

use super::{Death, Plan, State};

const CHUNK: usize = 64 << 10;

pub(super) fn digest(bytes: &[u8]) -> String {
    let mut text = "sha256:".to_owned();
    for byte in Sha256::digest(bytes) {
        write!(text, "{byte:02x}").unwrap();
    }
    text
}

pub(super) fn record_outputs(plan: &Plan, job: &mut v1::Job) {
    let disks = job.spec.clone().unwrap_or_default().outputs;
    let outputs = disks.into_iter().zip(&plan.outputs).map(|(disk, bytes)| v1::Output {
        name: disk.name,
        size_bytes: bytes.len() as u64,
        digest: plan.output_digest.clone().unwrap_or_else(|| digest(bytes)),
        expired: false,
    });
    job.outputs = outputs.collect();
}

pub(super) async fn upload(
    state: &Arc<State>,
    mut requests: Streaming<v1::UploadSourceRequest>,
) -> Result<v1::UploadSourceResponse, Status> {
    *state.uploads.lock().unwrap() += 1;
    let first = requests.message().await?.and_then(|request| request.event);
    let Some(Upload::Start(v1::UploadStart { project: _, size_bytes: told, .. })) = first else {
        return Err(Status::invalid_argument("start comes first"));
    };
    let mut bytes = Vec::new();
    while let Some(request) = requests.message().await? {
        let Some(Upload::Data(data)) = request.event else {
            return Err(Status::invalid_argument("only data comes after start"));
        };
        bytes.extend_from_slice(&data);
        let arrived = bytes.len() as u64;
        state.die_if(|death| matches!(death, Death::InUpload(at, _) if arrived >= *at)).await;
        if state.plan.refuse_upload.is_some_and(|limit| arrived > limit) {
            return Err(Status::resource_exhausted("no room for this source"));
        }
    }
    let size_bytes = bytes.len() as u64;
    if told != 0 && told != size_bytes {
        return Err(Status::invalid_argument("not as long as was told"));
    }
    let mut sources = state.sources.lock().unwrap();
    let source_id = format!("src{}", sources.len());
    let digest = digest(&bytes);
    sources.insert(source_id.clone(), (told, bytes));
    Ok(v1::UploadSourceResponse { source_id, size_bytes, digest })
}

pub(super) async fn send_output(
    state: Arc<State>,
    index: usize,
    offset: u64,
    answers: mpsc::Sender<Result<v1::ReadOutputResponse, Status>>,
) {
    let output = state.plan.outputs[index].clone();
    let mut sent = offset;
    let start = usize::try_from(offset).unwrap().min(output.len());
    for chunk in output.slice(start..).chunks(CHUNK) {
        state.die_if(|death| matches!(death, Death::InDownload(at, _) if sent >= *at)).await;
        let data = bytes::Bytes::copy_from_slice(chunk);
        sent += data.len() as u64;
        if answers.send(Ok(v1::ReadOutputResponse { data })).await.is_err() {
            return;
        }
    }
}

/// Stdin comes back on stdout; what the end is, the plan says.
pub(super) async fn exec(
    state: Arc<State>,
    exec: v1::ExecSpec,
    mut requests: Streaming<v1::ExecInJobRequest>,
    responses: mpsc::Sender<Result<v1::ExecInJobResponse, Status>>,
) {
    state.execs.send_modify(|all| all.push(exec));
    while let Ok(Some(request)) = requests.message().await {
        match request.event {
            Some(ExecRequest::Stdin(bytes)) => {
                let event = Some(ExecResponse::Stdout(bytes));
                let _ = responses.send(Ok(v1::ExecInJobResponse { event })).await;
            }
            Some(ExecRequest::StdinClosed(_)) => break,
            Some(ExecRequest::Resize(size)) => state.resizes.send_modify(|all| all.push(size)),
            Some(ExecRequest::Signal(number)) => {
                state.signals.send_modify(|all| all.push(number));
            }
            other => panic!("not after the first: {other:?}"),
        }
    }
    let event = Some(state.plan.exec_end.clone());
    let _ = responses.send(Ok(v1::ExecInJobResponse { event })).await;
}
