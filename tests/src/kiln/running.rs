//! A `kiln` that runs.

use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    process::{Child, ChildStdin, ChildStdout},
    task::JoinHandle,
    time::timeout,
};

use super::{Finished, Input};

#[derive(Debug)]
pub struct Running {
    child: Child,
    started: Instant,
    limit: Duration,
    stdout: Option<ChildStdout>,
    stderr: JoinHandle<std::io::Result<Vec<u8>>>,
    /// Writes what was given, then closes; an early end of the reader is no fault of it.
    writer: Option<JoinHandle<()>>,
    held_stdin: Option<ChildStdin>,
}

impl Running {
    pub(super) fn new(mut child: Child, input: Input, limit: Duration) -> anyhow::Result<Self> {
        let mut stdin = child.stdin.take().context("no stdin")?;
        let mut stderr = child.stderr.take().context("no stderr")?;
        let (writer, held_stdin) = match input {
            Input::Held => (None, Some(stdin)),
            Input::Bytes(bytes) => {
                let write = async move { stdin.write_all(&bytes).await.unwrap_or_default() };
                (Some(tokio::spawn(write)), None)
            }
        };
        Ok(Self {
            stdout: child.stdout.take(),
            stderr: tokio::spawn(async move {
                let mut bytes = Vec::new();
                stderr.read_to_end(&mut bytes).await.map(|_| bytes)
            }),
            writer,
            held_stdin,
            child,
            started: Instant::now(),
            limit,
        })
    }

    /// As the terminal does on Ctrl-C, for one.
    pub fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        let id = self.child.id().context("kiln has ended")?;
        let id = i32::try_from(id).ok().and_then(Pid::from_raw).context("no process id")?;
        kill_process(id, signal).context("signalling kiln")
    }

    /// Writes to a stdin that is held.
    pub async fn feed(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        let stdin = self.held_stdin.as_mut().context("stdin is not held")?;
        stdin.write_all(bytes).await?;
        Ok(stdin.flush().await?)
    }

    /// The end of a stdin that was held.
    pub fn close_stdin(&mut self) {
        self.held_stdin = None;
    }

    /// The next bytes of its stdout; empty at the end.
    pub async fn read(&mut self) -> anyhow::Result<Vec<u8>> {
        let mut bytes = vec![0; 64 * 1024];
        let stdout = self.stdout.as_mut().context("stdout was read to its end")?;
        let length = timeout(self.limit, stdout.read(&mut bytes))
            .await
            .with_context(|| format!("kiln wrote nothing for {:?}", self.limit))??;
        bytes.truncate(length);
        Ok(bytes)
    }

    /// Closes our end of its stdout.
    pub fn stop_reading(&mut self) {
        self.stdout = None;
    }

    /// Reads until stdout has said `text`, and shows all that was read.
    pub async fn said(&mut self, text: &str) -> anyhow::Result<String> {
        let mut seen = Vec::new();
        while !String::from_utf8_lossy(&seen).contains(text) {
            let bytes = self.read().await?;
            anyhow::ensure!(
                !bytes.is_empty(),
                "stdout ended before {text:?}: {}",
                String::from_utf8_lossy(&seen)
            );
            seen.extend(bytes);
        }
        Ok(String::from_utf8_lossy(&seen).into_owned())
    }

    /// The rest of its output and how it ended.
    pub async fn finish(mut self) -> anyhow::Result<Finished> {
        let limit = self.limit;
        let mut stdout = Vec::new();
        let ended = timeout(limit, async {
            if let Some(mut rest) = self.stdout.take() {
                rest.read_to_end(&mut stdout).await?;
            }
            let stderr = (&mut self.stderr).await??;
            let status = self.child.wait().await?;
            if let Some(writer) = self.writer.take() {
                writer.abort();
            }
            anyhow::Ok((status, stderr))
        });
        let Ok(ended) = ended.await else {
            let start = String::from_utf8_lossy(&stdout[..stdout.len().min(2000)]).into_owned();
            bail!("kiln did not end within {limit:?}; its stdout: {start}");
        };
        let (status, stderr) = ended?;
        Ok(Finished::new(status, stdout, stderr, self.started.elapsed()))
    }
}
