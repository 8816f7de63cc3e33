//! `docker load`: what it reads is an image only once its stdin has ended, so the end is held back
//! until all of it is known to be right.

use std::{
    io::{self, Read, Write},
    path::PathBuf,
    process::{Child, ChildStdin, Command, ExitStatus, Stdio},
    thread,
};

use bytes::Bytes;

use super::{ChunkReader, Ready, SinkError};
use crate::display::printable;

/// Of what it says.
const MOST_WORDS: u64 = 4 << 10;

/// Killed and waited for, unless it ended by itself.
struct Loader {
    child: Child,
    is_over: bool,
}

pub(super) fn load(mut source: ChunkReader, program: PathBuf) -> Result<Ready, SinkError> {
    let spawned = Command::new(&program)
        .arg("load")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|source| SinkError::Spawn { program: program.clone(), source })?;
    let mut loader = Loader { child: spawned, is_over: false };
    let stdin = loader.child.stdin.take();
    let listening = [
        loader.child.stdout.take().map(|from| thread::spawn(move || words(from))),
        loader.child.stderr.take().map(|from| thread::spawn(move || words(from))),
    ];
    let fed = stdin.is_none_or(|stdin| feed(&mut source, stdin));
    if !fed {
        return Err(SinkError::Silent);
    }
    let status = loader.wait();
    let said: Vec<_> =
        listening.into_iter().flatten().filter_map(|thread| thread.join().ok()).collect();
    let said = said.join("\n").trim().to_owned();
    match status {
        Ok(status) if status.success() => Ok(Ready::Docker { said }),
        Ok(status) => Err(SinkError::Docker { program, status, said }),
        Err(source) => Err(SinkError::Spawn { program, source }),
    }
}

/// Whether there was an end, or nobody who reads: then its own words say why.
fn feed(source: &mut ChunkReader, mut stdin: ChildStdin) -> bool {
    let mut held: Option<Bytes> = None;
    loop {
        let Ok(next) = source.chunk() else { return false };
        let is_end = next.is_none();
        if let Some(bytes) = std::mem::replace(&mut held, next)
            && stdin.write_all(&bytes).is_err()
        {
            return true;
        }
        if is_end {
            return true;
        }
    }
}

fn words(from: impl Read) -> String {
    let mut said = Vec::new();
    let mut from = from.take(MOST_WORDS);
    // What cannot be read is not said.
    let _ = from.read_to_end(&mut said);
    let _ = io::copy(from.get_mut(), &mut io::sink());
    printable(String::from_utf8_lossy(&said).trim()).into_owned()
}

impl Loader {
    #[expect(clippy::disallowed_methods, reason = "on a thread of its own, which nobody awaits")]
    fn wait(&mut self) -> io::Result<ExitStatus> {
        self.is_over = true;
        self.child.wait()
    }
}

impl Drop for Loader {
    fn drop(&mut self) {
        if !self.is_over {
            // It may have ended meanwhile.
            let _ = self.child.kill();
            let _ = self.wait();
        }
    }
}
