//! `ServeSsh`: the ssh agent of whoever created a build, at its service.
//!
//! ```text
//! client ──requests──▶ forward ──▶ SshPoint ──▶ lifecycle ──▶ guest
//!        ◀──answers─── serve ◀───────┘
//! ```
//! Both ways hold a few frames; who does not read is waited for. The call ends with the build, and when
//! another one takes its place.

use kiln_proto::v1::{self, serve_ssh_request::Event};
use tokio::{sync::mpsc, task::JoinSet};
use tonic::{Status, Streaming};

use crate::{
    api::{
        builds::BuildApi,
        caller::Caller,
        field::InvalidField,
        jobs::{Answers, answers},
    },
    build::ssh::{SshEnd, SshFrame, SshOver},
    job::Work,
    store::JobHandle,
};

/// Of one message: an agent's are far smaller.
const MOST_DATA_BYTES: usize = 64 * 1024;

impl BuildApi {
    pub(super) async fn ssh(
        &self,
        caller: &Caller,
        mut requests: Streaming<v1::ServeSshRequest>,
    ) -> Result<Answers<v1::ServeSshResponse>, Status> {
        let id = match requests.message().await?.and_then(|request| request.event) {
            Some(Event::Serve(v1::ServeSsh { id })) => id,
            Some(Event::Data(_)) | None => {
                return Err(InvalidField::new("serve", "must come first").into());
            }
        };
        let handle = self.find(caller, "serve.id", &id).await?;
        let end = place(&handle)?;
        let (answers, stream) = answers();
        tokio::spawn(serve(end, requests, answers));
        Ok(stream)
    }
}

fn place(handle: &JobHandle) -> Result<SshEnd, Status> {
    let Work::Build(build) = &handle.spec().work else { unreachable!("found as a build") };
    let id = handle.id();
    if build.ssh.iter().all(|source| source.key) {
        let problem = format!("build {id} asks for no ssh agent: its spec names none");
        return Err(Status::failed_precondition(problem));
    }
    let over = |over: SshOver| Status::failed_precondition(format!("build {id}: {over}"));
    handle.ssh().serve().map_err(over)
}

async fn serve(
    end: SshEnd,
    requests: Streaming<v1::ServeSshRequest>,
    answers: mpsc::Sender<Result<v1::ServeSshResponse, Status>>,
) {
    let SshEnd { mut frames, other } = end;
    // A task of its own: a guest that does not read must not hold up what it says. It ends with this
    // one.
    let mut input = JoinSet::new();
    input.spawn(forward(requests, other));
    loop {
        let answer = tokio::select! {
            biased;
            () = answers.closed() => return,
            Some(refused) = input.join_next() => match refused {
                Ok(Err(status)) => Err(status),
                // The client has said its last, and may be answered on.
                Ok(Ok(())) | Err(_) => continue,
            },
            frame = frames.recv() => match frame {
                Some(frame) => Ok(v1::ServeSshResponse { data: Some(data_of(frame)) }),
                // The build is over, or somebody else serves it now.
                None => return,
            },
        };
        let last = answer.is_err();
        if answers.send(answer).await.is_err() || last {
            return;
        }
    }
}

/// Until the client sends no more, or nobody takes it any more.
async fn forward(
    mut requests: Streaming<v1::ServeSshRequest>,
    guest: mpsc::Sender<SshFrame>,
) -> Result<(), Status> {
    // An error here is the client's stream breaking, which its answers' channel tells too.
    while let Ok(Some(request)) = requests.message().await {
        let frame = match request.event {
            Some(Event::Data(data)) => frame_of(data)?,
            Some(Event::Serve(_)) => {
                return Err(InvalidField::new("serve", "comes first, and only first").into());
            }
            None => return Err(InvalidField::new("event", "is missing").into()),
        };
        if guest.send(frame).await.is_err() {
            return Ok(());
        }
    }
    Ok(())
}

fn frame_of(data: v1::SshData) -> Result<SshFrame, InvalidField> {
    let v1::SshData { connection, ssh_id, data, closed } = data;
    if !ssh_id.is_empty() {
        return Err(InvalidField::new("data.ssh_id", "is said by the host, when it opens"));
    }
    if data.len() > MOST_DATA_BYTES {
        let problem = format!("has {} bytes, and at most {MOST_DATA_BYTES} go", data.len());
        return Err(InvalidField::new("data.data", problem));
    }
    Ok(SshFrame { connection, id: String::new(), data, closed })
}

fn data_of(frame: SshFrame) -> v1::SshData {
    let SshFrame { connection, id, data, closed } = frame;
    v1::SshData { connection, ssh_id: id, data, closed }
}
