//! An agent of OpenSSH's for one private key: the key is read by `ssh-add` alone.

use std::{
    env,
    ffi::OsStr,
    fs, io,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use tokio::{
    net::UnixStream,
    process::{Child, Command},
    time::{Instant, sleep},
};

use crate::random;

/// Under emulation a process takes a second to begin.
const LIMIT: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(5);

#[derive(Debug, thiserror::Error)]
pub(crate) enum SshError {
    #[error("cannot start {program}: is openssh-client in the image?")]
    Start { program: &'static str, source: io::Error },
    #[error("no directory can be made for the ssh agent at {}", path.display())]
    Directory { path: PathBuf, source: io::Error },
    #[error("ssh-agent ended or did not listen")]
    Silent,
    #[error("the ssh key for {id} has a passphrase: give one without, or an agent that holds it")]
    Locked { id: String },
    #[error("the ssh key for {id} is refused: {words}")]
    Key { id: String, words: String },
}

/// It is killed, and its directory removed, when it is dropped.
#[derive(Debug)]
pub(super) struct Agent {
    directory: PathBuf,
    process: Child,
}

impl Agent {
    pub(super) async fn start(id: &str, key: &Path) -> Result<Self, SshError> {
        let directory =
            key.parent().unwrap_or(Path::new("/")).join(format!("agent-{}", random::id()));
        fs::DirBuilder::new()
            .mode(0o700)
            .create(&directory)
            .map_err(|source| SshError::Directory { path: directory.clone(), source })?;
        let socket = directory.join("socket");
        let process =
            command("ssh-agent", &[OsStr::new("-D"), OsStr::new("-a"), socket.as_os_str()])
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn();
        let process = match process {
            Ok(process) => process,
            Err(source) => {
                // Nothing is in it.
                let _ = fs::remove_dir(&directory);
                return Err(SshError::Start { program: "ssh-agent", source });
            }
        };
        let mut agent = Self { directory, process };
        agent.listening().await?;
        agent.add(id, key).await?;
        Ok(agent)
    }

    pub(super) fn socket(&self) -> PathBuf {
        self.directory.join("socket")
    }

    async fn listening(&mut self) -> Result<(), SshError> {
        let begun = Instant::now();
        let socket = self.socket();
        while UnixStream::connect(&socket).await.is_err() {
            if begun.elapsed() > LIMIT || !matches!(self.process.try_wait(), Ok(None)) {
                return Err(SshError::Silent);
            }
            sleep(PAUSE).await;
        }
        Ok(())
    }

    async fn add(&self, id: &str, key: &Path) -> Result<(), SshError> {
        let output = command("ssh-add", &[OsStr::new("-q"), OsStr::new("--"), key.as_os_str()])
            .env("SSH_AUTH_SOCK", self.socket())
            // Nobody is there to be asked for a passphrase.
            .env("SSH_ASKPASS_REQUIRE", "never")
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .output()
            .await
            .map_err(|source| SshError::Start { program: "ssh-add", source })?;
        if output.status.success() {
            return Ok(());
        }
        let words = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        let id = id.to_owned();
        // It asks though nobody is there.
        if words.contains("Enter passphrase") {
            return Err(SshError::Locked { id });
        }
        Err(SshError::Key { id, words })
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        // What is left is in memory, and goes with the job.
        let _ = self.process.start_kill();
        let _ = fs::remove_dir_all(&self.directory);
    }
}

fn command(program: &str, arguments: &[&OsStr]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).env_clear().stdin(Stdio::null()).kill_on_drop(true);
    if let Some(path) = env::var_os("PATH") {
        command.env("PATH", path);
    }
    command
}
