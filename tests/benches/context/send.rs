//! Found, or sent whole.

use std::{io::ErrorKind, thread};

use anyhow::ensure;
use kiln_context::{Context, Identity};
use kiln_proto::v1::{
    FindSourceRequest, UploadSourceRequest, UploadStart, job_service_client::JobServiceClient,
    upload_source_request::Event,
};
use tokio::sync::mpsc;
use tokio_stream::{StreamExt as _, once, wrappers::ReceiverStream};
use tonic::transport::Channel;

const QUEUE: usize = 8;

/// The source's id, and whether it was sent.
pub(crate) async fn send(
    api: &mut JobServiceClient<Channel>,
    mut context: Context,
    identity: Identity,
) -> anyhow::Result<(String, bool)> {
    let Identity { digest, size } = identity;
    let project = String::new();
    let asked =
        FindSourceRequest { project: project.clone(), digest: digest.clone(), size_bytes: size };
    let found = api.find_source(asked).await?.into_inner();
    if !found.source_id.is_empty() {
        return Ok((found.source_id, false));
    }
    let start = UploadStart { project, size_bytes: size, digest: digest.clone(), offset: 0 };
    let (chunks, receiver) = mpsc::channel(QUEUE);
    let packing = thread::spawn(move || {
        let mut take = |chunk| {
            let request = UploadSourceRequest { event: Some(Event::Data(chunk)) };
            chunks.blocking_send(request).map_err(|_| ErrorKind::BrokenPipe.into())
        };
        context.write_from(0, &mut take)
    });
    let first = once(UploadSourceRequest { event: Some(Event::Start(start)) });
    let answer = api.upload_source(first.chain(ReceiverStream::new(receiver))).await?.into_inner();
    match packing.join() {
        Ok(packed) => packed?,
        Err(panic) => std::panic::resume_unwind(panic),
    }
    ensure!(answer.digest == digest, "{} arrived in place of {digest}", answer.digest);
    Ok((answer.source_id, true))
}
