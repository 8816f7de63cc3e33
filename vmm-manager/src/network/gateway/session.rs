//! One conversation with a gateway.

use std::{io, sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use kiln_net::control::{Ask, MAX_LINE_BYTES, Opening, Tell};
use tokio::{
    io::{AsyncWrite, AsyncWriteExt as _},
    net::UnixStream,
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    task::JoinSet,
    time::timeout,
};

use super::{
    admissions::Admissions,
    lines::{LineError, Lines},
    pace::Pace,
    registry::GuestRegistry,
    streams::Streams,
};
use crate::network::{endpoints::Endpoints, upstream::Upstreams};

/// What may be asked and not be answered yet. What is over it is not read: an answer in our hands
/// counts until it is written, so this bounds what a gateway can make us hold.
const OPEN: usize = 64;
/// Asks in a second, for long.
const PER_SECOND: u32 = 1000;
const BURST: u32 = 500;
/// For a gateway to take an answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Characters; longer words help nobody.
const MAX_REASON: usize = 300;

/// Everything that can be asked for.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) upstreams: Arc<Upstreams>,
    pub(super) endpoints: Endpoints,
    pub(super) admissions: Admissions,
    pub(super) registry: Option<Arc<dyn GuestRegistry>>,
    pub(super) streams: Streams,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum SessionError {
    #[error(transparent)]
    Line(#[from] LineError),
    #[error("a line is not understood")]
    Garbled(#[source] serde_json::Error),
    #[error("it did not take an answer within {PATIENCE:?}")]
    Deaf,
    #[error("its socket cannot be used")]
    Io(#[source] io::Error),
}

impl SessionError {
    /// And did not just end.
    pub(super) fn breaks_the_rules(&self) -> bool {
        match self {
            Self::Line(LineError::TooLong { .. }) | Self::Garbled(_) | Self::Deaf => true,
            Self::Line(LineError::Unfinished | LineError::Io(_)) | Self::Io(_) => false,
        }
    }
}

/// With what it holds of [`OPEN`].
type Said = (Tell, OwnedSemaphorePermit);

/// Says hello, and does what is asked for until the gateway has gone.
pub(super) async fn hold(stream: UnixStream, asked: &Asked) -> Result<(), SessionError> {
    let (reads, mut writes) = stream.into_split();
    say(&mut writes, &Opening::Hello {}).await?;
    let (tells, mut told) = mpsc::channel::<Said>(OPEN);
    let writing = async {
        while let Some((tell, _open)) = told.recv().await {
            say(&mut writes, &tell).await?;
        }
        Ok(())
    };
    tokio::select! {
        ended = hear(Lines::new(reads, MAX_LINE_BYTES), asked, tells) => ended,
        broken = writing => broken,
    }
}

async fn hear(
    mut lines: Lines<tokio::net::unix::OwnedReadHalf>,
    asked: &Asked,
    tells: mpsc::Sender<Said>,
) -> Result<(), SessionError> {
    let open = Arc::new(Semaphore::new(OPEN));
    let mut pace = Pace::new(PER_SECOND, BURST);
    // They go with the conversation: nobody is there to hear.
    let mut under_way = JoinSet::new();
    loop {
        pace.next().await;
        let Ok(permit) = Arc::clone(&open).acquire_owned().await else { return Ok(()) };
        while under_way.try_join_next().is_some() {}
        let Some(line) = lines.next().await? else { return Ok(()) };
        let ask: Ask = serde_json::from_slice(line).map_err(SessionError::Garbled)?;
        let answer = asked.begin(ask);
        let tells = tells.clone();
        under_way.spawn(async move {
            if let Some(tell) = answer.await {
                let _gone_with_the_conversation = tells.send((tell, permit)).await;
            }
        });
    }
}

impl Asked {
    /// What there is to say to it, if anything.
    fn begin(&self, ask: Ask) -> impl Future<Output = Option<Tell>> + Send + 'static {
        let (upstreams, admissions) = (Arc::clone(&self.upstreams), self.admissions.clone());
        let (registry, streams) = (self.registry.clone(), self.streams.clone());
        // Looked up before anything is begun: there is no other way to an address.
        let found = match &ask {
            Ask::Dial { endpoint, .. } => self.endpoints.find(endpoint),
            Ask::Resolve { .. } | Ask::Admit { .. } | Ask::Registry { .. } => None,
        };
        async move {
            let failed = |id, reason: String| Tell::Failed { id, reason: bounded(&reason) };
            Some(match ask {
                Ask::Resolve { id, message } => match resolve(&upstreams, &message).await {
                    Ok(message) => Tell::Resolved { id, message },
                    Err(reason) => failed(id, reason),
                },
                Ask::Admit { id, admissions: wanted } => match admissions.admit(wanted).await {
                    Ok(()) => Tell::Admitted { id },
                    Err(reason) => failed(id, reason),
                },
                Ask::Registry { id } => match registry {
                    None => failed(id, "this host has no registry".to_owned()),
                    Some(registry) => match streams.open_registry(id, registry).await {
                        Ok(()) => return None,
                        Err(error) => failed(id, error.to_string()),
                    },
                },
                Ask::Dial { id, endpoint } => match found {
                    None => {
                        failed(id, format!("{}:{} is no endpoint", endpoint.name, endpoint.port))
                    }
                    Some(address) => match streams.open(id, address).await {
                        // The stream is the answer.
                        Ok(()) => return None,
                        Err(error) => failed(id, error.to_string()),
                    },
                },
            })
        }
    }
}

async fn resolve(upstreams: &Upstreams, message: &str) -> Result<String, String> {
    let question = STANDARD.decode(message).map_err(|_| "the question is no base64".to_owned())?;
    let answer = upstreams.resolve(question).await.map_err(|error| error.to_string())?;
    Ok(STANDARD.encode(answer))
}

async fn say(
    writes: &mut (impl AsyncWrite + Unpin),
    word: &impl serde::Serialize,
) -> Result<(), SessionError> {
    let mut line = serde_json::to_vec(word).map_err(SessionError::Garbled)?;
    line.push(b'\n');
    match timeout(PATIENCE, writes.write_all(&line)).await {
        Ok(written) => written.map_err(SessionError::Io),
        Err(_) => Err(SessionError::Deaf),
    }
}

fn bounded(reason: &str) -> String {
    reason.chars().take(MAX_REASON).collect()
}
