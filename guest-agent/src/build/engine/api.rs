//! The engine's API, as far as the agent asks it: whether it answers. What else it could say of itself
//! (`/info`, `/version`) it finds out by starting six programs, which takes a second and more.

use std::{io, path::Path, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixStream,
    time::sleep,
};

/// How often a socket that is not there yet is looked for.
const PAUSE: Duration = Duration::from_millis(3);
const MAX_BYTES: u64 = 64 * 1024;
/// Of this version of HTTP there are no pieces to be put together.
const PING: &[u8] = b"GET /_ping HTTP/1.0\r\nHost: engine\r\n\r\n";

/// The engine's version, empty where it does not say; what came instead of an answer with status 200.
pub(super) type Answer = Result<String, String>;

/// Asks as soon as somebody listens, and waits for the answer: the engine listens long before it
/// answers.
///
/// # Cancel safety
/// The answer is lost.
pub(super) async fn ping(socket: &Path) -> io::Result<Answer> {
    let mut stream = connect(socket).await?;
    stream.write_all(PING).await?;
    let mut answer = Vec::new();
    stream.take(MAX_BYTES).read_to_end(&mut answer).await?;
    Ok(version(&String::from_utf8_lossy(&answer)))
}

/// Waits for somebody to listen.
///
/// # Cancel safety
/// Safe.
pub(super) async fn connect(socket: &Path) -> io::Result<UnixStream> {
    loop {
        match UnixStream::connect(socket).await {
            Err(error) if is_early(&error) => sleep(PAUSE).await,
            end => return end,
        }
    }
}

fn is_early(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused)
}

/// Of `Server: Docker/26.1.5 (linux)`.
fn version(answer: &str) -> Answer {
    let first = |text: &str| text.lines().next().unwrap_or_default().chars().take(200).collect();
    let Some((head, body)) = answer.split_once("\r\n\r\n") else { return Err(first(answer)) };
    if head.split(' ').nth(1) != Some("200") {
        return Err(format!("{}: {}", first(head), first(body)));
    }
    let server = head.lines().find_map(|line| line.strip_prefix("Server: Docker/"));
    Ok(server.and_then(|server| server.split(' ').next()).unwrap_or_default().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_has_a_version_or_is_told_as_it_came() {
        let answer = "HTTP/1.0 200 OK\r\nServer: Docker/26.1.5+dfsg1 (linux)\r\nA: b\r\n\r\nOK";
        assert_eq!(version(answer), Ok("26.1.5+dfsg1".to_owned()));
        assert_eq!(version("HTTP/1.0 200 OK\r\nA: b\r\n\r\nOK"), Ok(String::new()));
        let refused = version("HTTP/1.0 500 Internal\r\n\r\n{\"message\":\"no\"}\nmore");
        assert_eq!(refused, Err("HTTP/1.0 500 Internal: {\"message\":\"no\"}".to_owned()));
        assert_eq!(version(""), Err(String::new()));
    }
}
