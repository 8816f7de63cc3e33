//! Names of registries: by the resolvers that guests' questions are relayed to where the operator
//! named some, else as the host itself resolves names.

use std::{io, net::IpAddr, sync::Arc};

use async_trait::async_trait;
use hickory_proto::{
    op::{Message, MessageType, Query, ResponseCode},
    rr::{DNSClass, Name, RData, Record, RecordType},
};
use kiln_registry::upstream::{Resolve, SystemResolver};

use crate::{config::Resolvers, network::Upstreams};

/// What any resolver sends for names that are hosts.
const MAX_ANSWER_BYTES: usize = 16 << 10;
/// More than any host has.
const MAX_ADDRESSES: usize = 32;
/// In one answer.
const MAX_ALIASES: usize = 8;

pub(super) fn resolver(resolvers: Option<&Resolvers>) -> Arc<dyn Resolve> {
    match resolvers {
        Some(named @ Resolvers::Named(_)) => Arc::new(Named(Upstreams::new(named.clone()))),
        Some(Resolvers::System) | None => Arc::new(SystemResolver),
    }
}

#[derive(Debug)]
struct Named(Upstreams);

#[async_trait]
impl Resolve for Named {
    async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        let (four, six) =
            tokio::join!(self.ask(name, RecordType::A), self.ask(name, RecordType::AAAA));
        match (four, six) {
            (Ok(four), Ok(six)) => Ok([four, six].concat()),
            // Half of an answer is one where it has an address.
            (Ok(found), Err(error)) | (Err(error), Ok(found)) => {
                if found.is_empty() {
                    Err(error)
                } else {
                    Ok(found)
                }
            }
            (Err(error), Err(_)) => Err(error),
        }
    }
}

impl Named {
    async fn ask(&self, name: &str, kind: RecordType) -> io::Result<Vec<IpAddr>> {
        let name = wire_name(name)?;
        let answer = self.0.resolve(question(&name, kind)?).await.map_err(io::Error::other)?;
        addresses(&answer, &name, kind)
    }
}

/// No other than this one: the host's search list is not looked through.
fn wire_name(name: &str) -> io::Result<Name> {
    let mut name = Name::from_ascii(name).map_err(invalid)?;
    name.set_fqdn(true);
    Ok(name)
}

/// Its number is nobody's: whoever asks draws one.
fn question(name: &Name, kind: RecordType) -> io::Result<Vec<u8>> {
    let mut message = Message::query();
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(name.clone(), kind));
    message.to_vec().map_err(invalid)
}

/// Of the name that was asked for, over its aliases.
fn addresses(answer: &[u8], name: &Name, kind: RecordType) -> io::Result<Vec<IpAddr>> {
    if answer.len() > MAX_ANSWER_BYTES {
        return Err(invalid("a resolver's answer is too long"));
    }
    let message = Message::from_vec(answer).map_err(invalid)?;
    let is_asked = |asked: &Query| asked.name() == name && asked.query_type() == kind;
    if message.metadata.message_type != MessageType::Response
        || !message.queries.first().is_some_and(is_asked)
    {
        return Err(invalid("a resolver answered to something else"));
    }
    match message.metadata.response_code {
        ResponseCode::NoError => Ok(follow(&message.answers, name)),
        ResponseCode::NXDomain => Err(io::Error::new(io::ErrorKind::NotFound, "no such name")),
        other => Err(io::Error::other(format!("the resolver says: {other}"))),
    }
}

fn follow(answers: &[Record], asked: &Name) -> Vec<IpAddr> {
    let of = |name: &Name| {
        let name = name.clone();
        answers.iter().filter(move |one| one.dns_class == DNSClass::IN && one.name == name)
    };
    let mut name = asked.clone();
    for _ in 0..MAX_ALIASES {
        let alias = of(&name).find_map(|one| match &one.data {
            RData::CNAME(target) => Some(target.0.clone()),
            _ => None,
        });
        match alias {
            Some(target) => name = target,
            None => break,
        }
    }
    let addresses = of(&name).filter_map(|one| match &one.data {
        RData::A(four) => Some(IpAddr::V4(four.0)),
        RData::AAAA(six) => Some(IpAddr::V6(six.0)),
        _ => None,
    });
    addresses.take(MAX_ADDRESSES).collect()
}

fn invalid(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

#[cfg(test)]
mod tests;
