//! One conversation with a supervisor.

use std::{io, path::Path, time::Duration};

use kiln_shim::{
    Answer, Ask, Body, Greeting, Hello, MAJOR, MAX_ANSWER_BYTES, MINOR, ProcessIdentity, Request,
    SOCKET, line,
};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::UnixStream,
    time::timeout,
};

/// An idle supervisor answers in a fraction of a millisecond.
const HELLO_LIMIT: Duration = Duration::from_secs(10);

/// A connection to a supervisor that has said who it is.
#[derive(Debug)]
pub(in crate::vmm) struct Link {
    stream: BufReader<UnixStream>,
    greeting: Greeting,
    last_id: u64,
}

#[derive(Debug, thiserror::Error)]
pub(in crate::vmm) enum LinkError {
    /// Nobody listens.
    #[error("the supervisor's socket is dead")]
    Dead,
    #[error("the supervisor speaks protocol {theirs}")]
    Version { theirs: u32 },
    /// Another one than it should be.
    #[error("{what}")]
    Foreign { what: String },
    #[error("the supervisor does not answer")]
    Silent,
    #[error("the conversation with the supervisor broke off")]
    Io(#[from] io::Error),
}

impl Link {
    /// Connects to the supervisor of `directory` and checks that it is the very process that it
    /// says it is, and of this home. Nothing is said to another one than `expected`.
    pub(in crate::vmm) async fn open(
        directory: &Path,
        instance: &str,
        expected: Option<ProcessIdentity>,
    ) -> Result<Self, LinkError> {
        timeout(HELLO_LIMIT, Self::greet(directory, instance, expected))
            .await
            .unwrap_or(Err(LinkError::Silent))
    }

    async fn greet(
        directory: &Path,
        instance: &str,
        expected: Option<ProcessIdentity>,
    ) -> Result<Self, LinkError> {
        let foreign = |what: &str| LinkError::Foreign { what: what.to_owned() };
        let stream = match UnixStream::connect(directory.join(SOCKET)).await {
            Ok(stream) => stream,
            Err(error) => {
                return Err(match error.kind() {
                    io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => LinkError::Dead,
                    // Something else has its name: no socket, or none of this kind.
                    _ if !is_socket(directory) => LinkError::Dead,
                    _ => error.into(),
                });
            }
        };
        let peer = stream.peer_cred()?.pid().and_then(|pid| u32::try_from(pid).ok());
        if expected.is_some_and(|expected| peer != Some(expected.pid)) {
            return Err(foreign("another process listens at the supervisor's socket"));
        }
        let mut stream = BufReader::new(stream);
        let hello = Hello { major: MAJOR, minor: MINOR, instance: instance.to_owned() };
        stream.get_mut().write_all(&line(&hello)).await?;
        let greeting = match hear(&mut stream).await?.body {
            Body::Greeting(greeting) => greeting,
            Body::Version { major: theirs, .. } => return Err(LinkError::Version { theirs }),
            Body::Refused { reason } => return Err(LinkError::Foreign { what: reason }),
            _ => return Err(foreign("what listens at the supervisor's socket does not greet")),
        };
        if greeting.instance != instance {
            return Err(foreign("the supervisor is of another home"));
        }
        let claimed = greeting.process;
        if peer != Some(claimed.pid) || expected.is_some_and(|expected| claimed != expected) {
            return Err(foreign("another supervisor has the directory"));
        }
        Ok(Self { stream, greeting, last_id: 0 })
    }

    pub(in crate::vmm) fn greeting(&self) -> &Greeting {
        &self.greeting
    }

    /// Asks, and waits for the answer for as long as it takes.
    pub(in crate::vmm) async fn ask(&mut self, ask: Ask) -> Result<Body, LinkError> {
        self.last_id += 1;
        let request = Request { id: self.last_id, ask: ask.name().to_owned() };
        self.stream.get_mut().write_all(&line(&request)).await?;
        loop {
            // An answer to a question that was given up comes first.
            let answer = hear(&mut self.stream).await?;
            if answer.id == self.last_id {
                return Ok(answer.body);
            }
        }
    }
}

fn is_socket(directory: &Path) -> bool {
    use std::os::unix::fs::FileTypeExt as _;
    let metadata = std::fs::symlink_metadata(directory.join(SOCKET));
    metadata.is_ok_and(|metadata| metadata.file_type().is_socket())
}

async fn hear(stream: &mut BufReader<UnixStream>) -> Result<Answer, LinkError> {
    let mut said = Vec::new();
    let limit = u64::try_from(MAX_ANSWER_BYTES).unwrap_or(u64::MAX);
    stream.take(limit).read_until(b'\n', &mut said).await?;
    if said.last() != Some(&b'\n') {
        return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
    }
    serde_json::from_slice(&said).map_err(|error| LinkError::Io(error.into()))
}
