//! The engine's API, as far as the agent asks it.

use std::{io, path::Path, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixStream,
    time::sleep,
};

/// How often a socket that is not there yet is looked for.
const PAUSE: Duration = Duration::from_millis(3);
/// What the engine says of itself is some ten kilobytes.
const MAX_BYTES: u64 = 1 << 20;

/// The body of an answer with status 200; what came instead of it.
pub(super) type Answer = Result<String, String>;

/// Asks as soon as somebody listens, and waits for the answer: the engine listens long before it
/// answers.
///
/// # Cancel safety
/// The answer is lost.
pub(super) async fn ask(socket: &Path, path: &str) -> io::Result<Answer> {
    let mut stream = connect(socket).await?;
    // Of this version there are no pieces to be put together.
    let request = format!("GET {path} HTTP/1.0\r\nHost: engine\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(MAX_BYTES).read_to_end(&mut answer).await?;
    Ok(body(&String::from_utf8_lossy(&answer)))
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

fn body(answer: &str) -> Answer {
    let first = |text: &str| text.lines().next().unwrap_or_default().chars().take(200).collect();
    let Some((head, body)) = answer.split_once("\r\n\r\n") else { return Err(first(answer)) };
    match head.split(' ').nth(1) {
        Some("200") => Ok(body.to_owned()),
        _ => Err(format!("{}: {}", first(head), first(body))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_its_body_or_what_came_instead() {
        assert_eq!(body("HTTP/1.0 200 OK\r\nA: b\r\n\r\nOK"), Ok("OK".to_owned()));
        let refused = body("HTTP/1.0 500 Internal\r\n\r\n{\"message\":\"no\"}\nmore");
        assert_eq!(refused, Err("HTTP/1.0 500 Internal: {\"message\":\"no\"}".to_owned()));
        assert_eq!(body(""), Err(String::new()));
    }
}
