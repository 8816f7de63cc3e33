//! What a guest asks for names, over UDP and TCP.
//!
//! ```text
//! bytes ─▶ budget ─▶ question ─▶ ruling ─┬▶ refusal, recorded
//!                                        └▶ cache ─▶ upstream ─▶ judged ─▶ admitted ─▶ reply
//! ```
//!
//! Only a name that the policy names leaves the host, in lower case, in a message written anew; and
//! only what [`crate::answer`] makes of the answer comes back. An alias needs no rule of its own:
//! the name that was asked for stands for whatever it leads to, in this answer and no other, and the
//! splice holds connections against the asked name. Addresses are in the kernel's sets before the
//! guest hears them.

mod admission;
mod lookup;
mod question;
mod reply;
mod ruling;
mod special;
mod tcp;
#[cfg(test)]
mod tests;
mod udp;

use std::sync::{Arc, Mutex, PoisonError};

use hickory_proto::op::ResponseCode;
use kiln_net::record::{Reason, Refused};
use tokio::net::{TcpListener, UdpSocket};

use self::{
    lookup::{Lookup, LookupError},
    question::{Question, Unanswerable},
    reply::Reply,
    ruling::Ruling,
};
use crate::{answer::Answer, budget::Tokens, gateway::Gateway};

/// A busy build asks some dozens in a second.
const QUESTIONS_PER_SECOND: f64 = 200.0;
const QUESTIONS_AT_ONCE: f64 = 400.0;

/// Cheap to clone; all of them have one cache and one budget.
#[derive(Clone, Debug)]
pub struct Resolver {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    gateway: Arc<Gateway>,
    lookup: Lookup,
    questions: Mutex<Tokens>,
}

impl Resolver {
    pub fn new(gateway: Arc<Gateway>) -> Self {
        Self {
            shared: Arc::new(Shared {
                lookup: Lookup::new(Arc::clone(&gateway)),
                gateway,
                questions: Mutex::new(Tokens::new(QUESTIONS_PER_SECOND, QUESTIONS_AT_ONCE)),
            }),
        }
    }

    /// Ends when the socket can't be read any more.
    pub async fn serve_udp(self, socket: UdpSocket) -> std::io::Error {
        udp::serve(self, socket).await
    }

    /// Ends when the socket can't be listened on any more.
    pub async fn serve_tcp(self, listener: TcpListener) -> std::io::Error {
        tcp::serve(self, listener).await
    }

    /// What is sent back for one message of a guest's; nothing for what is no question, or beyond
    /// the budget. At most `most` bytes, or what the question says if that is less.
    pub async fn answer(&self, message: &[u8], most: Most) -> Option<Vec<u8>> {
        if !lock(&self.shared.questions).take(1.0) {
            self.refused("*", "*", Reason::Limit);
            return None;
        }
        let question = match Question::read(message) {
            Ok(question) => question,
            Err(Unanswerable::NoQuestion) => return None,
            Err(Unanswerable::Malformed { id, code }) => {
                self.refused("*", "*", Reason::Malformed);
                return Some(reply::error(id, code));
            }
        };
        let reply = self.reply(&question).await;
        Some(reply.write(&question, most))
    }

    async fn reply(&self, question: &Question) -> Reply {
        let gateway = &self.shared.gateway;
        let refuse = |reason| {
            self.refused(&question.shown_name(), &question.kind.to_string(), reason);
            Reply::refused(question, reason)
        };
        let wanted = match ruling::rule(gateway, question) {
            Ruling::Refuse(reason) => return refuse(reason),
            Ruling::Empty => return Reply::empty(),
            Ruling::Missing => return Reply::missing(),
            Ruling::Gateway { name, address } => {
                return match admission::endpoint(gateway, &name, address).await {
                    Ok(()) => Reply::addresses(vec![address], admission::ENDPOINT_TTL),
                    Err(_) => {
                        refuse(Reason::Unreachable);
                        Reply::failed()
                    }
                };
            }
            Ruling::Registry { address } => {
                return Reply::addresses(vec![address], admission::ENDPOINT_TTL);
            }
            Ruling::Ask(wanted) => wanted,
        };
        match self.shared.lookup.find(wanted, question.kind).await {
            Ok(Answer::Addresses { addresses, ttl }) => Reply::addresses(addresses, ttl),
            Ok(Answer::Records { records, ttl }) => Reply::records(records, ttl),
            Ok(Answer::Empty { .. } | Answer::Alias { .. }) => Reply::empty(),
            Ok(Answer::Missing { .. }) => Reply::missing(),
            Ok(Answer::Private { .. }) => refuse(Reason::PrivateAnswer),
            Err(LookupError::TooMuch(_)) => refuse(Reason::Limit),
            Err(error) => {
                refuse(match error {
                    LookupError::Busy | LookupError::TooMuch(_) => Reason::Limit,
                    LookupError::Control(_) | LookupError::Late => Reason::Unreachable,
                    LookupError::Unusable(_) => Reason::Malformed,
                });
                Reply::failed()
            }
        }
    }

    fn refused(&self, name: &str, kind: &str, reason: Reason) {
        let what = Refused::Query { name: name.into(), kind: kind.into() };
        self.shared.gateway.recorder.refused(what, reason);
    }
}

/// Over what a reply goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Most {
    /// Larger ones are truncated, and asked for again over a stream.
    Datagram,
    Stream,
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // Nothing that holds one panics half-way through a change.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Unanswerable {
    fn malformed(id: u16) -> Self {
        Self::Malformed { id, code: ResponseCode::FormErr }
    }
}
