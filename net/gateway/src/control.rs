//! The gateway's end of the control socket: see [`kiln_net::control`] for what is said on it.
//!
//! An ask has an id and a time within which it is answered or fails. It is written to the daemon
//! that is there, and again to each that comes while it is unanswered, so that a daemon's restart
//! costs a question no more than the wait: a question and an admission may be done twice, and the
//! second stream of a dial finds nobody and is closed.

mod connection;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use kiln_net::{
    control::{Ask, Tell},
    plan::Admission,
    policy::Endpoint,
};
use tokio::{
    net::{UnixListener, UnixStream},
    sync::{mpsc, oneshot},
};

pub(crate) use connection::transient;

use crate::recorder::Recorder;

/// At once, of all kinds.
const MAX_ASKS: usize = 256;
/// A stub resolver asks again after five seconds: it should hear of a failure before that.
const ANSWER_LIMIT: Duration = Duration::from_secs(4);
const DIAL_LIMIT: Duration = Duration::from_secs(10);
/// A daemon that restarts is back by then; whoever pulls an image would rather wait.
const REGISTRY_LIMIT: Duration = Duration::from_secs(30);

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ControlError {
    #[error("the daemon has not answered within {} s", .0.as_secs())]
    Late(Duration),
    #[error("{MAX_ASKS} asks are waiting for the daemon already")]
    Full,
    #[error("the daemon refused: {0}")]
    Refused(String),
    #[error("the daemon answered something else than was asked")]
    Confused,
}

/// Cheap to clone; all of them ask the same daemon.
#[derive(Clone, Debug, Default)]
pub struct Control {
    state: Arc<Mutex<State>>,
    /// Of the gateway that it is a part of.
    recorder: Arc<OnceLock<Recorder>>,
}

#[derive(Debug, Default)]
struct State {
    last_id: u64,
    /// In the order in which they were asked.
    asks: BTreeMap<u64, Waiting>,
    /// The newest that said hello, by its number.
    daemon: Option<(u64, mpsc::Sender<Arc<[u8]>>)>,
    last_daemon: u64,
}

#[derive(Debug)]
struct Waiting {
    line: Arc<[u8]>,
    reply: oneshot::Sender<Result<Reply, ControlError>>,
}

#[derive(Debug)]
enum Reply {
    Message(Vec<u8>),
    Done,
    Stream(UnixStream),
}

impl Control {
    /// Whose record is written when the daemon wants to read it. Once.
    pub(crate) fn record_with(&self, recorder: &Recorder) {
        let _the_first_stays = self.recorder.set(recorder.clone());
    }

    /// Returns when all that has happened is written, or can't be.
    async fn flush(&self) {
        let Some(recorder) = self.recorder.get().cloned() else { return };
        let _ = tokio::task::spawn_blocking(move || recorder.flush()).await;
    }

    /// Serves the daemon; ends when the socket can't be listened on any more.
    pub async fn serve(self, listener: UnixListener) -> std::io::Error {
        connection::accept(self, listener).await
    }

    /// One connection, until it ends or a newer daemon has taken over.
    pub async fn converse(&self, stream: UnixStream) {
        connection::serve(self.clone(), stream).await;
    }

    /// What the host's resolver answers to `message`, unread.
    pub async fn resolve(&self, message: &[u8]) -> Result<Vec<u8>, ControlError> {
        let message = STANDARD.encode(message);
        match self.ask(ANSWER_LIMIT, |id| Ask::Resolve { id, message }).await? {
            Reply::Message(message) => Ok(message),
            Reply::Done | Reply::Stream(_) => Err(ControlError::Confused),
        }
    }

    /// Returns when the kernel has them.
    pub async fn admit(&self, admissions: Vec<Admission>) -> Result<(), ControlError> {
        match self.ask(ANSWER_LIMIT, |id| Ask::Admit { id, admissions }).await? {
            Reply::Done => Ok(()),
            Reply::Message(_) | Reply::Stream(_) => Err(ControlError::Confused),
        }
    }

    /// A stream to a service of the operator's.
    pub async fn dial(&self, endpoint: Endpoint) -> Result<UnixStream, ControlError> {
        match self.ask(DIAL_LIMIT, |id| Ask::Dial { id, endpoint }).await? {
            Reply::Stream(stream) => Ok(stream),
            Reply::Message(_) | Reply::Done => Err(ControlError::Confused),
        }
    }

    /// A stream to the host's registry.
    pub async fn registry(&self) -> Result<UnixStream, ControlError> {
        match self.ask(REGISTRY_LIMIT, |id| Ask::Registry { id }).await? {
            Reply::Stream(stream) => Ok(stream),
            Reply::Message(_) | Reply::Done => Err(ControlError::Confused),
        }
    }

    async fn ask(
        &self,
        limit: Duration,
        ask: impl FnOnce(u64) -> Ask,
    ) -> Result<Reply, ControlError> {
        let (reply, answer) = oneshot::channel();
        let asked = {
            let mut state = self.lock();
            if state.asks.len() >= MAX_ASKS {
                return Err(ControlError::Full);
            }
            state.last_id += 1;
            let id = state.last_id;
            let line = line(&ask(id));
            if let Some((_, daemon)) = &state.daemon {
                // It has room for all asks there can be; one that does not read has its connection
                // ended by the writer's limit, and the next hears of this ask again.
                let _ = daemon.try_send(Arc::clone(&line));
            }
            state.asks.insert(id, Waiting { line, reply });
            Asked { control: self, id }
        };
        let answered = tokio::time::timeout(limit, answer).await;
        drop(asked);
        match answered {
            Ok(Ok(reply)) => reply,
            Ok(Err(_)) | Err(_) => Err(ControlError::Late(limit)),
        }
    }

    /// Takes over from the daemon before, whose connection ends with the sender that is dropped.
    fn greet(&self) -> (u64, mpsc::Receiver<Arc<[u8]>>) {
        let (sender, receiver) = mpsc::channel(2 * MAX_ASKS);
        let mut state = self.lock();
        for waiting in state.asks.values() {
            let _ = sender.try_send(Arc::clone(&waiting.line));
        }
        state.last_daemon += 1;
        let number = state.last_daemon;
        state.daemon = Some((number, sender));
        (number, receiver)
    }

    fn part(&self, number: u64) {
        let mut state = self.lock();
        if state.daemon.as_ref().is_some_and(|(current, _)| *current == number) {
            state.daemon = None;
        }
    }

    fn told(&self, tell: Tell) {
        let (id, reply) = match tell {
            Tell::Resolved { id, message } => (
                id,
                STANDARD.decode(message).map(Reply::Message).map_err(|_| ControlError::Confused),
            ),
            Tell::Admitted { id } => (id, Ok(Reply::Done)),
            Tell::Failed { id, reason } => (id, Err(ControlError::Refused(reason))),
        };
        self.answer(id, reply);
    }

    fn streamed(&self, id: u64, stream: UnixStream) {
        self.answer(id, Ok(Reply::Stream(stream)));
    }

    fn answer(&self, id: u64, reply: Result<Reply, ControlError>) {
        // Nobody waits for what was answered before, or came too late.
        if let Some(waiting) = self.lock().asks.remove(&id) {
            let _ = waiting.reply.send(reply);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing in here panics half-way through a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes the ask back, also when who asked has gone away.
struct Asked<'a> {
    control: &'a Control,
    id: u64,
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        self.control.lock().asks.remove(&self.id);
    }
}

fn line(ask: &Ask) -> Arc<[u8]> {
    // Maps with keys that are no strings are what JSON can't hold; an ask has none.
    let mut line = serde_json::to_vec(ask).unwrap_or_default();
    line.push(b'\n');
    line.into()
}
