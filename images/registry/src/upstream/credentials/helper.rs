//! `docker-credential-NAME get`: a program that keeps passwords. It is asked without a shell, for a
//! bounded time, and what it says is bounded too.

use std::{process::Stdio, time::Duration};

use serde::Deserialize;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    process::{Child, Command},
    sync::Semaphore,
    time::timeout,
};

use super::{CredentialError, Login};
use crate::upstream::secret::Secret;

const MAX_NAME_BYTES: usize = 64;
const MAX_OUTPUT_BYTES: u64 = 64 << 10;
/// As a user's name it says that the secret is an identity token.
const TOKEN: &str = "<token>";
/// What helpers print when they have nothing.
const NOTHING: &str = "credentials not found in native keychain";
/// At once, on this host.
static RUNNING: Semaphore = Semaphore::const_new(4);

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Kept {
    username: String,
    secret: String,
}

pub(super) async fn login(
    name: &str,
    server: &str,
    limit: Duration,
) -> Result<Option<Login>, CredentialError> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if name.is_empty() || name.len() > MAX_NAME_BYTES || !name.bytes().all(is_plain) {
        let name = name.chars().take(MAX_NAME_BYTES).flat_map(char::escape_default).collect();
        return Err(CredentialError::HelperName { name });
    }
    let program = format!("docker-credential-{name}");
    let failed = |reason: String| CredentialError::Helper { program: program.clone(), reason };
    let running = timeout(limit, run(&program, server)).await;
    let (is_success, output) = match running {
        Ok(Ok(done)) => done,
        Ok(Err(error)) => return Err(failed(format!("does not run: {error}"))),
        Err(_) => return Err(failed(format!("was not done within {} s", limit.as_secs()))),
    };
    if output.len() as u64 > MAX_OUTPUT_BYTES {
        return Err(failed(format!("says more than {MAX_OUTPUT_BYTES} bytes")));
    }
    if !is_success {
        // Whatever else it says may be what it keeps.
        let is_nothing = String::from_utf8_lossy(&output).trim() == NOTHING;
        return if is_nothing { Ok(None) } else { Err(failed("failed".to_owned())) };
    }
    let Ok(Kept { username, secret }) = serde_json::from_slice(&output) else {
        return Err(failed("says something else than a credential".to_owned()));
    };
    let secret = Secret::new(secret);
    Ok(match username.as_str() {
        _ if secret.expose().is_empty() => None,
        "" => None,
        TOKEN => Some(Login::Identity(secret)),
        _ => Some(Login::Password { username, password: secret }),
    })
}

/// Killed when this future is dropped.
async fn run(program: &str, server: &str) -> std::io::Result<(bool, Vec<u8>)> {
    let _slot = RUNNING.acquire().await.map_err(std::io::Error::other)?;
    let mut child = Command::new(program)
        .arg("get")
        .env_clear()
        .envs(["PATH", "HOME"].iter().filter_map(|name| Some((name, std::env::var_os(name)?))))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    let Child { stdin, stdout, .. } = &mut child;
    let (stdin, stdout) = (stdin.take(), stdout.take());
    let telling = async {
        if let Some(mut stdin) = stdin {
            // One that does not listen is judged by what it says.
            drop(stdin.write_all(server.as_bytes()).await);
        }
    };
    let reading = async {
        let mut output = Vec::new();
        if let Some(stdout) = stdout {
            stdout.take(MAX_OUTPUT_BYTES + 1).read_to_end(&mut output).await?;
        }
        Ok::<_, std::io::Error>(output)
    };
    let ((), output) = tokio::join!(telling, reading);
    let status = child.wait().await?;
    Ok((status.success(), output?))
}
