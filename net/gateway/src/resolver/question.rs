//! What a guest's message asks.

use hickory_proto::{
    op::{Message, MessageType, OpCode, ResponseCode},
    rr::{DNSClass, Name, RecordType},
};
use kiln_net::name::Name as HostName;

use crate::answer::counts;

/// A name, a header, and options that we leave unread.
pub(super) const MAX_BYTES: usize = 1232;

#[derive(Clone, Debug)]
pub(super) struct Question {
    pub(super) id: u16,
    /// As it was written, so that who checks the case of the reply finds it.
    pub(super) name: Name,
    /// None of what is no host's name.
    pub(super) host: Option<HostName>,
    pub(super) kind: RecordType,
    pub(super) class: DNSClass,
    pub(super) recursion_desired: bool,
    pub(super) checking_disabled: bool,
    /// Where the message has an OPT record.
    pub(super) extended: Option<Extended>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Extended {
    pub(super) version: u8,
    pub(super) payload: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unanswerable {
    /// Too short for an id, or an answer itself: two servers that answer each other never end.
    NoQuestion,
    Malformed {
        id: u16,
        code: ResponseCode,
    },
}

impl Question {
    pub(super) fn read(message: &[u8]) -> Result<Self, Unanswerable> {
        let Some([questions, answers, authorities, additional]) = counts(message) else {
            return Err(Unanswerable::NoQuestion);
        };
        let id = u16::from_be_bytes([message[0], message[1]]);
        let is_answer = message[2] & 0x80 != 0;
        if is_answer {
            return Err(Unanswerable::NoQuestion);
        }
        if (message[2] >> 3) & 0xf != u8::from(OpCode::Query) {
            return Err(Unanswerable::Malformed { id, code: ResponseCode::NotImp });
        }
        if message.len() > MAX_BYTES
            || (questions, answers, authorities) != (1, 0, 0)
            || additional > 1
        {
            return Err(Unanswerable::malformed(id));
        }
        let message = Message::from_vec(message).map_err(|_| Unanswerable::malformed(id))?;
        debug_assert_eq!(message.metadata.message_type, MessageType::Query);
        let [query] = message.queries.as_slice() else { return Err(Unanswerable::malformed(id)) };
        let extended = message
            .edns
            .as_ref()
            .map(|edns| Extended { version: edns.version(), payload: edns.max_payload() });
        // What is added to a question is an OPT record or something that nobody adds.
        if usize::from(additional) != usize::from(extended.is_some()) {
            return Err(Unanswerable::malformed(id));
        }
        Ok(Self {
            id,
            host: host(query.name()),
            name: query.name().clone(),
            kind: query.query_type(),
            class: query.query_class(),
            recursion_desired: message.metadata.recursion_desired,
            checking_disabled: message.metadata.checking_disabled,
            extended,
        })
    }

    /// For the record.
    pub(super) fn shown_name(&self) -> String {
        match &self.host {
            Some(host) => host.to_string(),
            None => escaped(&self.name),
        }
    }
}

fn host(name: &Name) -> Option<HostName> {
    let mut text = String::with_capacity(255);
    for label in name {
        // A dot within a label would read as two labels.
        if label.contains(&b'.') || !label.is_ascii() {
            return None;
        }
        text.push_str(std::str::from_utf8(label).ok()?);
        text.push('.');
    }
    text.parse().ok()
}

/// As in zone files: whatever is not plain stands as `\DDD`.
fn escaped(name: &Name) -> String {
    use std::fmt::Write;

    let mut text = String::new();
    for label in name {
        for &byte in label {
            if byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_' {
                text.push(byte.to_ascii_lowercase().into());
            } else {
                let _ = write!(text, "\\{byte:03}");
            }
        }
        text.push('.');
    }
    if text.len() > 1 {
        text.pop();
    }
    text
}
