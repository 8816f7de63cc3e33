//! How a `kiln` ended.

use std::{fmt, process::ExitStatus, time::Duration};

use anyhow::Context as _;
use serde_json::Value;

#[derive(Clone, Debug)]
pub struct Finished {
    /// `None` when a signal ended it.
    pub code: Option<i32>,
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
    pub took: Duration,
}

impl Finished {
    pub(crate) fn new(
        status: ExitStatus,
        stdout: Vec<u8>,
        stderr: Vec<u8>,
        took: Duration,
    ) -> Self {
        Self { code: status.code(), stdout, stderr, took }
    }

    pub fn stdout_text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    pub fn stderr_text(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }

    /// Of what `--json` prints.
    pub fn json(&self) -> anyhow::Result<Value> {
        serde_json::from_slice(&self.stdout).with_context(|| format!("no JSON: {self}"))
    }
}

impl fmt::Display for Finished {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "kiln ended with {:?} after {:?}\nstdout: {}\nstderr: {}",
            self.code,
            self.took,
            shown(&self.stdout),
            shown(&self.stderr)
        )
    }
}

/// Its start, and its end where it is longer: what went wrong is said last.
fn shown(bytes: &[u8]) -> String {
    const MOST: usize = 2000;
    let start = String::from_utf8_lossy(&bytes[..bytes.len().min(MOST)]);
    match bytes.len().checked_sub(MOST) {
        None | Some(0) => start.into_owned(),
        Some(more) => {
            let end = String::from_utf8_lossy(&bytes[bytes.len() - more.min(MOST)..]);
            format!("{start}\n[…]\n{end}")
        }
    }
}
