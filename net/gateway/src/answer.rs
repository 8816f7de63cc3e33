//! What the host's resolver answered, and what of it a guest may hear. Pure.
//!
//! Nothing of a message is passed on: an answer is taken apart, and what is told is written anew.
//! Addresses that a chain of aliases leads to are told as the asked name's own: the name that was
//! allowed stands for them, and what lies between is allowed for this answer alone.

mod chain;
mod negative;
#[cfg(test)]
mod tests;

use std::{net::IpAddr, time::Duration};

use hickory_proto::{
    op::{Message, MessageType, OpCode, ResponseCode},
    rr::{DNSClass, Name, RData, RecordType},
};

/// What any resolver sends over TCP for names that are hosts; larger ones are refused unread.
pub const MAX_ANSWER_BYTES: usize = 16 << 10;
/// In all sections, as the header counts them.
const MAX_RECORDS: u16 = 256;
/// Of one answer; what is over it is not told and not admitted.
const MAX_ADDRESSES: usize = 16;
const MAX_TOLD: usize = 64;
/// A guest asks again at least so often, and no name can make us ask more often.
const LONGEST: u32 = 300;
const SHORTEST: u32 = 5;

/// What was sent.
#[derive(Clone, Debug)]
pub struct Asked {
    pub id: u16,
    pub name: Name,
    pub kind: RecordType,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// At least one.
    Addresses { addresses: Vec<IpAddr>, ttl: Duration },
    /// Of another kind than addresses; at least one.
    Records { records: Vec<RData>, ttl: Duration },
    /// The chain of aliases goes on, and the answer does not.
    Alias { target: Name, ttl: Duration },
    /// The name is there, and has nothing of that kind.
    Empty { ttl: Duration },
    /// The name is not there.
    Missing { ttl: Duration },
    /// One of the addresses is one that no guest reaches; so nothing else of the answer is told.
    Private { address: IpAddr, ttl: Duration },
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    #[error("an answer of {0} bytes")]
    TooLarge(usize),
    #[error("an answer that can't be read")]
    Unreadable,
    #[error("an answer to something else")]
    NotAsked,
    #[error("an answer that was cut off")]
    Truncated,
    #[error("aliases that go in circles or too far")]
    Aliases,
    #[error("{0}")]
    Failed(ResponseCode),
}

/// What `message` says to `asked`, where `never` tells which addresses no guest reaches.
pub fn judge(
    message: &[u8],
    asked: &Asked,
    never: impl Fn(IpAddr) -> bool,
) -> Result<Answer, Unusable> {
    if message.len() > MAX_ANSWER_BYTES {
        return Err(Unusable::TooLarge(message.len()));
    }
    let counted = counts(message).ok_or(Unusable::Unreadable)?;
    if counted.iter().skip(1).fold(0, |sum: u16, count| sum.saturating_add(*count)) > MAX_RECORDS {
        return Err(Unusable::TooLarge(message.len()));
    }
    let message = Message::from_vec(message).map_err(|_| Unusable::Unreadable)?;
    let [question] = message.queries.as_slice() else { return Err(Unusable::NotAsked) };
    let answers = message.metadata.message_type == MessageType::Response
        && message.metadata.op_code == OpCode::Query
        && message.metadata.id == asked.id
        && question.name() == &asked.name
        && question.query_type() == asked.kind
        && question.query_class() == DNSClass::IN;
    if !answers {
        return Err(Unusable::NotAsked);
    }
    if message.metadata.truncation {
        return Err(Unusable::Truncated);
    }
    let missing = match message.metadata.response_code {
        ResponseCode::NoError => false,
        ResponseCode::NXDomain => true,
        other => return Err(Unusable::Failed(other)),
    };
    // Also what belongs to no chain: who sends such a thing is not believed in the rest.
    if let Some(address) =
        message.answers.iter().filter_map(|one| address(&one.data)).find(|one| never(*one))
    {
        return Ok(Answer::Private { address, ttl: seconds(SHORTEST) });
    }
    let end = chain::follow(&message.answers, asked)?;
    if missing {
        return Ok(Answer::Missing { ttl: negative::ttl(&message) });
    }
    if end.records.is_empty() {
        return Ok(match end.alias {
            Some(target) if !negative::is_told(&message) => {
                Answer::Alias { target, ttl: seconds(end.ttl) }
            }
            _ => Answer::Empty { ttl: negative::ttl(&message) },
        });
    }
    let ttl = seconds(end.ttl.clamp(SHORTEST, LONGEST));
    let addresses: Vec<_> = end.records.iter().filter_map(|one| address(one)).collect();
    Ok(if addresses.is_empty() {
        Answer::Records { records: end.records.into_iter().take(MAX_TOLD).cloned().collect(), ttl }
    } else {
        let mut told: Vec<IpAddr> = Vec::new();
        for address in addresses {
            if !told.contains(&address) && told.len() < MAX_ADDRESSES {
                told.push(address);
            }
        }
        Answer::Addresses { addresses: told, ttl }
    })
}

impl Answer {
    /// For how long it holds.
    pub fn ttl(&self) -> Duration {
        match self {
            Self::Addresses { ttl, .. }
            | Self::Records { ttl, .. }
            | Self::Alias { ttl, .. }
            | Self::Empty { ttl }
            | Self::Missing { ttl }
            | Self::Private { ttl, .. } => *ttl,
        }
    }

    #[must_use]
    pub(crate) fn ending_in(mut self, left: Duration) -> Self {
        *self.ttl_mut() = left;
        self
    }

    /// Never for longer than `limit`: an alias on the way to it may end earlier.
    #[must_use]
    pub fn within(mut self, limit: Duration) -> Self {
        let ttl = self.ttl_mut();
        *ttl = (*ttl).min(limit.max(seconds(SHORTEST)));
        self
    }

    fn ttl_mut(&mut self) -> &mut Duration {
        match self {
            Self::Addresses { ttl, .. }
            | Self::Records { ttl, .. }
            | Self::Alias { ttl, .. }
            | Self::Empty { ttl }
            | Self::Missing { ttl }
            | Self::Private { ttl, .. } => ttl,
        }
    }
}

/// Questions, answers, authorities, additional records: as the header says, before anything is
/// made of that size.
pub(crate) fn counts(message: &[u8]) -> Option<[u16; 4]> {
    let header = message.first_chunk::<12>()?;
    let count = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
    Some([count(4), count(6), count(8), count(10)])
}

fn address(data: &RData) -> Option<IpAddr> {
    match data {
        RData::A(four) => Some(IpAddr::V4(four.0)),
        RData::AAAA(six) => Some(IpAddr::V6(six.0)),
        _ => None,
    }
}

fn seconds(seconds: u32) -> Duration {
    Duration::from_secs(seconds.into())
}
