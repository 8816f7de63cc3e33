//! The engine's requests, one after the other on one connection: what is told of each to the
//! gateway's registry beyond what the engine says is which registry it believes to speak with.

use super::chunks::Chunks;

/// A request line and headers.
const MAX_HEAD_BYTES: usize = 32 << 10;

/// Those of one connection.
#[derive(Debug)]
pub(super) struct Requests {
    /// Of the `Host` that they get.
    host: String,
    /// What they get as `ns=`.
    namespace: Option<String>,
    state: State,
}

#[derive(Debug)]
enum State {
    Head(Vec<u8>),
    Length(u64),
    Chunks(Chunks),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("400 this is no request of a registry's client")]
pub(super) struct NoRequest;

/// What a piece of a connection comes to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Passed {
    /// To be sent on.
    pub(super) bytes: Vec<u8>,
    /// The newest request began in this piece, and it is one that can be sent again as it stands.
    pub(super) again: Option<Vec<u8>>,
    /// A request began in this piece.
    pub(super) began: bool,
}

impl Requests {
    pub(super) fn new(host: String, namespace: Option<String>) -> Self {
        Self { host, namespace, state: State::Head(Vec::new()) }
    }

    pub(super) fn push(&mut self, mut bytes: &[u8]) -> Result<Passed, NoRequest> {
        let mut passed = Passed::default();
        while !bytes.is_empty() {
            let taken = match &mut self.state {
                State::Head(head) => {
                    let before = head.len();
                    let room = MAX_HEAD_BYTES.saturating_sub(before).min(bytes.len());
                    head.extend(&bytes[..room]);
                    match end(head, before) {
                        Some(end) => {
                            head.truncate(end);
                            let head = std::mem::take(head);
                            self.begin(&head, &mut passed)?;
                            end - before
                        }
                        None if head.len() == MAX_HEAD_BYTES => return Err(NoRequest),
                        None => room,
                    }
                }
                State::Length(left) => {
                    let taken = (bytes.len() as u64).min(*left);
                    *left -= taken;
                    let over = *left == 0;
                    let taken = usize::try_from(taken).unwrap_or(usize::MAX);
                    passed.bytes.extend(&bytes[..taken]);
                    if over {
                        self.state = State::Head(Vec::new());
                    }
                    taken
                }
                State::Chunks(chunks) => {
                    let taken = chunks.take(bytes).map_err(|_| NoRequest)?;
                    passed.bytes.extend(&bytes[..taken]);
                    if chunks.is_over() {
                        self.state = State::Head(Vec::new());
                    }
                    taken
                }
            };
            bytes = &bytes[taken..];
        }
        Ok(passed)
    }

    fn begin(&mut self, head: &[u8], passed: &mut Passed) -> Result<(), NoRequest> {
        let head = str::from_utf8(head).map_err(|_| NoRequest)?;
        let mut lines = head.split("\r\n");
        let mut words = lines.next().unwrap_or_default().split(' ');
        let (Some(method), Some(target), Some("HTTP/1.1"), None) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            return Err(NoRequest);
        };
        if !target.starts_with('/') || method.is_empty() {
            return Err(NoRequest);
        }
        let mut rewritten = format!("{method} {target}");
        if let Some(namespace) = &self.namespace {
            rewritten.push(if target.contains('?') { '&' } else { '?' });
            rewritten.push_str("ns=");
            rewritten.push_str(namespace);
        }
        rewritten.push_str(" HTTP/1.1\r\nHost: ");
        rewritten.push_str(&self.host);
        rewritten.push_str("\r\n");
        let mut length = None;
        let mut chunked = false;
        for line in lines.take_while(|line| !line.is_empty()) {
            let (name, value) = line.split_once(':').ok_or(NoRequest)?;
            if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_graphic()) {
                return Err(NoRequest);
            }
            let is = |other: &str| name.eq_ignore_ascii_case(other);
            if is("host") {
                continue;
            }
            if is("content-length") {
                let value = value.trim();
                let digits = value.bytes().all(|byte| byte.is_ascii_digit());
                let value = value.parse::<u64>().ok().filter(|_| digits).ok_or(NoRequest)?;
                if length.replace(value).is_some() {
                    return Err(NoRequest);
                }
            }
            if is("transfer-encoding") {
                if chunked || !value.trim().eq_ignore_ascii_case("chunked") {
                    return Err(NoRequest);
                }
                chunked = true;
            }
            rewritten.push_str(line);
            rewritten.push_str("\r\n");
        }
        rewritten.push_str("\r\n");
        self.state = match (chunked, length) {
            (true, Some(_)) => return Err(NoRequest),
            (true, None) => State::Chunks(Chunks::default()),
            (false, None | Some(0)) => State::Head(Vec::new()),
            (false, Some(length)) => State::Length(length),
        };
        let bare = matches!(self.state, State::Head(_)) && matches!(method, "GET" | "HEAD");
        passed.began = true;
        passed.again = bare.then(|| rewritten.clone().into_bytes());
        passed.bytes.extend(rewritten.into_bytes());
        Ok(())
    }
}

/// Behind the empty line; `before` bytes were looked at already.
fn end(head: &[u8], before: usize) -> Option<usize> {
    let from = before.saturating_sub(3);
    head[from..].windows(4).position(|four| four == b"\r\n\r\n").map(|at| from + at + 4)
}

#[cfg(test)]
mod tests;
