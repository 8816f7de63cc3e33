//! QMP: QEMU's monitor protocol.
//!
//! Lines of JSON both ways. QEMU greets; we negotiate capabilities, then send commands with an id;
//! answers carry the id back, events come at any time. All can be sent at once: QEMU answers in
//! order. A QEMU that a guest has taken over is the guest: lines are bounded, answers to questions
//! that we did not ask are ignored, and so is every event that we do not know.

mod message;

use std::{
    collections::HashMap,
    os::unix::net::UnixStream as StdUnixStream,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
    sync::{mpsc, oneshot},
    time::timeout,
};

use self::message::Message;
pub(super) use self::message::ShutdownReason;

/// The longest answer that we ask for is a few KiB.
const MAX_LINE_BYTES: usize = 1024 * 1024;
/// Commands on their way to a QEMU that does not read.
const COMMANDS: usize = 32;

#[derive(Debug, thiserror::Error)]
pub(super) enum MonitorError {
    #[error("the monitor is closed")]
    Closed,
    #[error("{reason}")]
    Refused { reason: String },
    #[error("no answer within {0:?}")]
    Timeout(Duration),
}

/// Our end of one QEMU's monitor. It ends with QEMU, or when this is dropped.
#[derive(Debug)]
pub(super) struct Monitor {
    commands: mpsc::Sender<Command>,
}

/// A command, and what it is about.
#[derive(Clone, Debug)]
pub(super) struct Question {
    name: &'static str,
    /// `Null` for none.
    arguments: Value,
}

#[derive(Debug)]
struct Command {
    question: Question,
    answer: oneshot::Sender<Result<Value, String>>,
}

impl Question {
    pub(super) fn new(name: &'static str) -> Self {
        Self::with(name, Value::Null)
    }

    pub(super) fn with(name: &'static str, arguments: Value) -> Self {
        Self { name, arguments }
    }

    #[cfg(test)]
    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    /// Which object, and which property of it.
    #[cfg(test)]
    pub(super) fn about(&self) -> (&str, &str) {
        let argument = |name: &str| self.arguments[name].as_str().unwrap_or_default();
        (argument("path"), argument("property"))
    }

    fn line(&self, id: u64) -> String {
        let mut command = json!({"execute": self.name, "id": id});
        if !self.arguments.is_null() {
            command["arguments"] = self.arguments.clone();
        }
        format!("{command}\n")
    }
}

impl Monitor {
    /// Takes the conversation up. Must be called within a runtime.
    pub(super) fn open(stream: StdUnixStream) -> std::io::Result<Self> {
        stream.set_nonblocking(true)?;
        let stream = UnixStream::from_std(stream)?;
        let (commands, inbox) = mpsc::channel(COMMANDS);
        let pending = Pending::default();
        tokio::spawn(async move {
            if let Err(error) = converse(stream, inbox, pending).await {
                tracing::debug!(%error, "the conversation with qemu has ended");
            }
        });
        Ok(Self { commands })
    }

    /// Runs a command without arguments.
    ///
    /// # Cancel safety
    /// Safe, but the command may run all the same.
    pub(super) async fn call(
        &self,
        name: &'static str,
        limit: Duration,
    ) -> Result<Value, MonitorError> {
        let mut answers = self.ask_all(vec![Question::new(name)], limit).await?;
        answers.pop().ok_or(MonitorError::Closed)
    }

    /// Asks all of it before the first answer is there; the answers are in the order of the
    /// questions, and the first refusal ends it.
    ///
    /// # Cancel safety
    /// As [`Monitor::call`].
    pub(super) async fn ask_all(
        &self,
        questions: Vec<Question>,
        limit: Duration,
    ) -> Result<Vec<Value>, MonitorError> {
        let asking = async {
            let mut answers = Vec::with_capacity(questions.len());
            for question in questions {
                let (answer, answered) = oneshot::channel();
                let command = Command { question, answer };
                self.commands.send(command).await.map_err(|_| MonitorError::Closed)?;
                answers.push(answered);
            }
            let mut values = Vec::with_capacity(answers.len());
            for answered in answers {
                match answered.await {
                    Ok(Ok(value)) => values.push(value),
                    Ok(Err(reason)) => return Err(MonitorError::Refused { reason }),
                    Err(_) => return Err(MonitorError::Closed),
                }
            }
            Ok(values)
        };
        timeout(limit, asking).await.unwrap_or(Err(MonitorError::Timeout(limit)))
    }
}

type Pending = Arc<Mutex<HashMap<u64, oneshot::Sender<Result<Value, String>>>>>;

async fn converse(
    mut stream: UnixStream,
    mut inbox: mpsc::Receiver<Command>,
    pending: Pending,
) -> std::io::Result<()> {
    let (mut from_qemu, mut to_qemu) = stream.split();
    let writing = async {
        let mut id = 0;
        while let Some(Command { question, answer }) = inbox.recv().await {
            id += 1;
            pending.lock().unwrap_or_else(PoisonError::into_inner).insert(id, answer);
            to_qemu.write_all(question.line(id).as_bytes()).await?;
        }
        Ok(())
    };
    let reading = async {
        let mut buffer = Vec::with_capacity(4096);
        loop {
            while let Some(end) = buffer.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = buffer.drain(..=end).collect();
                hear(&line, &pending);
            }
            if buffer.len() > MAX_LINE_BYTES {
                return Err(std::io::Error::other("an endless line"));
            }
            if from_qemu.read_buf(&mut buffer).await? == 0 {
                return Ok(());
            }
        }
    };
    let result = tokio::select! {
        result = writing => result,
        result = reading => result,
    };
    // Those who still wait for an answer learn that none will come.
    pending.lock().unwrap_or_else(PoisonError::into_inner).clear();
    result
}

fn hear(line: &[u8], pending: &Pending) {
    match Message::parse(line) {
        Message::Answer { id, answer } => {
            let asked = pending.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
            if let Some(asked) = asked {
                let _nobody_waits_any_more = asked.send(answer);
            }
        }
        // Its supervisor hears it too, and keeps it.
        Message::Shutdown(reason) => tracing::trace!(?reason, "qemu ends"),
        Message::Other(what) => tracing::trace!(what, "qemu said"),
    }
}

#[cfg(test)]
mod tests;
