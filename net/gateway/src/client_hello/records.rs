//! Puts one handshake message together from records.

use super::Unread;

const CHANGE_CIPHER_SPEC: u8 = 20;
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const HEAD_BYTES: usize = 5;
const MESSAGE_HEAD_BYTES: usize = 4;
/// 2^14, as the protocol has it for what is not encrypted.
const MAX_RECORD_BYTES: usize = 1 << 14;

/// What may stand before the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Before {
    Nothing,
    /// At most one `change_cipher_spec`.
    CipherChange,
    /// Warnings: some servers have one about the name before they answer.
    Alerts,
}

#[derive(Debug)]
pub(super) struct Records {
    before: Before,
    /// How many bytes were taken in, of all layers.
    taken: usize,
    at: At,
    /// Head and body.
    message: Vec<u8>,
}

#[derive(Clone, Copy, Debug)]
enum At {
    Head {
        bytes: [u8; HEAD_BYTES],
        filled: usize,
    },
    /// In a record's fragment.
    Fragment {
        left: usize,
    },
    /// In a record that may stand before the message.
    Beside {
        left: usize,
    },
}

const NEW_HEAD: At = At::Head { bytes: [0; HEAD_BYTES], filled: 0 };

impl Records {
    pub(super) fn new(before: Before) -> Self {
        Self { before, taken: 0, at: NEW_HEAD, message: Vec::new() }
    }

    /// The length of everything up to the end of the record that ends the message, when it has come.
    pub(super) fn push(
        &mut self,
        mut bytes: &[u8],
        kind: u8,
        budget: usize,
    ) -> Result<Option<usize>, Unread> {
        while !bytes.is_empty() {
            if self.taken >= budget {
                return Err(Unread::TooLong);
            }
            let took = self.step(&bytes[..bytes.len().min(budget - self.taken)])?;
            self.taken += took;
            bytes = &bytes[took..];
            self.check_kind(kind)?;
            match self.expected()? {
                Some(expected) if expected > budget => return Err(Unread::TooLong),
                Some(expected) if expected < self.message.len() => {
                    return Err(Unread::Malformed("something follows the message in its record"));
                }
                Some(expected) if expected == self.message.len() => {
                    // The rest of the record would be a second message.
                    if matches!(self.at, At::Fragment { .. }) {
                        return Err(Unread::Malformed(
                            "something follows the message in its record",
                        ));
                    }
                    return Ok(Some(self.taken));
                }
                _ => {}
            }
        }
        Ok(None)
    }

    /// The body.
    pub(super) fn message(&self) -> &[u8] {
        self.message.get(MESSAGE_HEAD_BYTES..).unwrap_or_default()
    }

    /// Takes some of `bytes`, which is not empty, and says how many.
    fn step(&mut self, bytes: &[u8]) -> Result<usize, Unread> {
        match &mut self.at {
            At::Head { bytes: head, filled } => {
                head[*filled] = bytes[0];
                *filled += 1;
                let (head, filled) = (*head, *filled);
                self.check_head(head, filled)?;
                Ok(1)
            }
            At::Fragment { left } => {
                let took = bytes.len().min(*left);
                *left -= took;
                if *left == 0 {
                    self.at = NEW_HEAD;
                }
                self.message.extend_from_slice(&bytes[..took]);
                Ok(took)
            }
            At::Beside { left } => {
                let took = bytes.len().min(*left);
                *left -= took;
                if *left == 0 {
                    self.at = NEW_HEAD;
                }
                Ok(took)
            }
        }
    }

    /// Each byte when it has come, so that what is no TLS is known by its first.
    fn check_head(&mut self, head: [u8; HEAD_BYTES], filled: usize) -> Result<(), Unread> {
        let first = self.message.is_empty();
        match filled {
            1 if head[0] == HANDSHAKE => {}
            1 if first && self.beside(head[0]).is_some() => {}
            1 if first => return Err(Unread::NotTls),
            1 => return Err(Unread::Malformed("another record in the middle of the message")),
            2 if head[1] != 3 && first => return Err(Unread::NotTls),
            2 if head[1] != 3 => return Err(Unread::Malformed("a record's version")),
            HEAD_BYTES => {
                let length = usize::from(u16::from_be_bytes([head[3], head[4]]));
                if let Some(expected) = self.beside(head[0]) {
                    if length != expected {
                        return Err(Unread::Malformed("what stands before it has another length"));
                    }
                    if self.before == Before::CipherChange {
                        self.before = Before::Nothing;
                    }
                    self.at = At::Beside { left: length };
                } else if length == 0 {
                    return Err(Unread::Malformed("an empty record"));
                } else if length > MAX_RECORD_BYTES {
                    return Err(Unread::Malformed("a record is longer than 16384 bytes"));
                } else {
                    self.at = At::Fragment { left: length };
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// How long a record of this kind is, that may stand before the message.
    fn beside(&self, kind: u8) -> Option<usize> {
        match (kind, self.before) {
            (CHANGE_CIPHER_SPEC, Before::CipherChange) => Some(1),
            (ALERT, Before::Alerts) => Some(2),
            _ => None,
        }
    }

    fn check_kind(&self, kind: u8) -> Result<(), Unread> {
        match self.message.first() {
            Some(first) if *first != kind => {
                Err(Unread::Malformed("its first message is another one"))
            }
            _ => Ok(()),
        }
    }

    /// The message's whole length, head included, when its head has come.
    fn expected(&self) -> Result<Option<usize>, Unread> {
        match self.message.get(1..MESSAGE_HEAD_BYTES) {
            Some([high, middle, low]) => {
                let length = u32::from_be_bytes([0, *high, *middle, *low]);
                let length = usize::try_from(length).map_err(|_| Unread::TooLong)?;
                Ok(Some(length + MESSAGE_HEAD_BYTES))
            }
            _ => Ok(None),
        }
    }
}
