//! What of an agent's protocol is let through to our agent.
//!
//! A step may ask which keys there are, and have something signed. Whatever else a message asks for
//! (keys added, removed or locked, a library loaded for a card, extensions) never reaches the
//! agent: it is answered here, as by an agent that has none of it.
//!
//! ```text
//! message: length of the rest, u32 big endian │ type, u8 │ what is of the type
//! ```

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Of a message behind its length, as OpenSSH's own agent has it.
const LONGEST: usize = 256 << 10;
/// What waits here, asked ahead of an answer. More than a message and a frame.
const MOST_AHEAD: usize = 2 * LONGEST;
const LENGTH: usize = 4;

const REQUEST_IDENTITIES: u8 = 11;
const SIGN_REQUEST: u8 = 13;

/// `SSH_AGENT_FAILURE`, whole.
pub(super) const FAILURE: Bytes = Bytes::from_static(&[0, 0, 0, 1, 5]);

#[derive(Debug, thiserror::Error)]
pub(super) enum Unfit {
    #[error("a message of {bytes} bytes is longer than an agent's, {LONGEST}")]
    TooLong { bytes: usize },
    #[error("more is asked than an agent answers: {MOST_AHEAD} bytes wait for it")]
    TooMuchAhead,
}

/// Requests, cut out of what arrives.
#[derive(Debug, Default)]
pub(super) struct Gate {
    held: BytesMut,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Request {
    /// To the agent, with its length.
    Pass(Bytes),
    /// With [`FAILURE`].
    Refuse,
}

impl Gate {
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<(), Unfit> {
        if self.held.len() + bytes.len() > MOST_AHEAD {
            return Err(Unfit::TooMuchAhead);
        }
        self.held.extend_from_slice(bytes);
        Ok(())
    }

    /// The next one that is whole.
    pub(super) fn next(&mut self) -> Result<Option<Request>, Unfit> {
        let Some(length) = self.held.first_chunk() else { return Ok(None) };
        let length = length_of(*length)?;
        if self.held.len() < LENGTH + length {
            return Ok(None);
        }
        let message = self.held.split_to(LENGTH + length).freeze();
        Ok(Some(match message.get(LENGTH) {
            Some(&(REQUEST_IDENTITIES | SIGN_REQUEST)) => Request::Pass(message),
            Some(_) | None => Request::Refuse,
        }))
    }
}

/// The agent's whole answer to a request; none where it hangs up.
///
/// # Cancel safety
///
/// None: a connection on which it was given up is closed.
pub(super) async fn ask(
    agent: &mut (impl AsyncRead + AsyncWrite + Unpin),
    mut request: Bytes,
) -> std::io::Result<Option<Bytes>> {
    agent.write_all_buf(&mut request).await?;
    let mut head = [0; LENGTH];
    match agent.read_exact(&mut head).await {
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    }
    let length = length_of(head).map_err(std::io::Error::other)?;
    let mut answer = vec![0; LENGTH + length];
    answer[..LENGTH].copy_from_slice(&head);
    agent.read_exact(&mut answer[LENGTH..]).await?;
    Ok(Some(answer.into()))
}

fn length_of(head: [u8; LENGTH]) -> Result<usize, Unfit> {
    let bytes = (&head[..]).get_u32() as usize;
    if bytes > LONGEST { Err(Unfit::TooLong { bytes }) } else { Ok(bytes) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u8, bytes: usize) -> Vec<u8> {
        let length = u32::try_from(bytes + 1).unwrap();
        let mut message = length.to_be_bytes().to_vec();
        message.push(kind);
        message.resize(LENGTH + 1 + bytes, b'x');
        message
    }

    #[test]
    fn two_types_pass() {
        for kind in 0..=u8::MAX {
            let mut gate = Gate::default();
            let message = message(kind, 7);
            gate.push(&message).unwrap();
            let expected = match kind {
                11 | 13 => Request::Pass(message.into()),
                _ => Request::Refuse,
            };
            assert_eq!(gate.next().unwrap(), Some(expected), "{kind}");
            assert_eq!(gate.next().unwrap(), None);
        }
        let mut gate = Gate::default();
        gate.push(&[0; LENGTH]).unwrap();
        assert_eq!(gate.next().unwrap(), Some(Request::Refuse), "of no type");
    }

    #[test]
    fn torn_anywhere_it_is_the_same() {
        let stream = [message(11, 0), message(20, 9), message(13, 90)].concat();
        for first in 0..=stream.len() {
            for second in first..=stream.len() {
                let mut gate = Gate::default();
                let mut requests = Vec::new();
                for part in [&stream[..first], &stream[first..second], &stream[second..]] {
                    gate.push(part).unwrap();
                    requests.extend(std::iter::from_fn(|| gate.next().unwrap()));
                }
                let sign = Request::Pass(message(13, 90).into());
                let list = Request::Pass(message(11, 0).into());
                assert_eq!(requests, [list, Request::Refuse, sign]);
            }
        }
    }

    #[test]
    fn lengths_are_bounded() {
        let mut gate = Gate::default();
        let longest = message(13, LONGEST - 1);
        gate.push(&longest).unwrap();
        assert_eq!(gate.next().unwrap(), Some(Request::Pass(longest.into())));
        // Before any of it is there.
        gate.push(&u32::try_from(LONGEST + 1).unwrap().to_be_bytes()).unwrap();
        assert!(matches!(gate.next(), Err(Unfit::TooLong { .. })));
        let mut gate = Gate::default();
        gate.push(&vec![0; MOST_AHEAD]).unwrap();
        assert!(matches!(gate.push(&[0]), Err(Unfit::TooMuchAhead)));
    }
}
