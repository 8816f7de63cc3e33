//! What a guest is told.

use std::{net::IpAddr, time::Duration};

use hickory_proto::{
    op::{Edns, Message, OpCode, Query, ResponseCode},
    rr::{DNSClass, RData, Record, RecordType, rdata::opt::EdnsOption},
};
use kiln_net::record::Reason;

use super::{Most, question::Question};

/// What passes every path in one piece.
const PAYLOAD: u16 = 1232;
/// Without an OPT record.
const LEAST: u16 = 512;
/// RFC 8914: why a resolver refuses.
const EXTENDED_ERROR: u16 = 15;
const PROHIBITED: u16 = 18;
const OTHER: u16 = 0;

#[derive(Clone, Debug)]
pub(super) struct Reply {
    code: ResponseCode,
    records: Vec<RData>,
    ttl: Duration,
    reason: Option<Reason>,
}

impl Reply {
    fn bare(code: ResponseCode) -> Self {
        Self { code, records: Vec::new(), ttl: Duration::ZERO, reason: None }
    }

    /// As of a name that has nothing: musl takes no notice of `REFUSED` and waits for another
    /// answer, and glibc asks again. Without an SOA nobody keeps it. What no stub resolver asks is
    /// told so by its name.
    pub(super) fn refused(question: &Question, reason: Reason) -> Self {
        let is_transfer = matches!(question.kind, RecordType::AXFR | RecordType::IXFR);
        let code = if is_transfer || question.class != DNSClass::IN {
            ResponseCode::Refused
        } else {
            ResponseCode::NoError
        };
        Self { reason: Some(reason), ..Self::bare(code) }
    }

    pub(super) fn failed() -> Self {
        Self::bare(ResponseCode::ServFail)
    }

    pub(super) fn missing() -> Self {
        Self::bare(ResponseCode::NXDomain)
    }

    pub(super) fn empty() -> Self {
        Self::bare(ResponseCode::NoError)
    }

    pub(super) fn addresses(addresses: Vec<IpAddr>, ttl: Duration) -> Self {
        let records = addresses.into_iter().map(|address| match address {
            IpAddr::V4(four) => RData::A(four.into()),
            IpAddr::V6(six) => RData::AAAA(six.into()),
        });
        Self::records(records.collect(), ttl)
    }

    pub(super) fn records(records: Vec<RData>, ttl: Duration) -> Self {
        Self { records, ttl, ..Self::bare(ResponseCode::NoError) }
    }

    pub(super) fn write(self, question: &Question, most: Most) -> Vec<u8> {
        let mut message = head(question);
        if question.extended.is_some_and(|extended| extended.version > 0) {
            message.metadata.response_code = ResponseCode::BADVERS;
            return bytes(&message);
        }
        message.metadata.response_code = self.code;
        if let (Some(reason), Some(edns)) = (self.reason, &mut message.edns) {
            edns.options_mut().insert(why(reason));
        }
        let ttl = u32::try_from(self.ttl.as_secs()).unwrap_or(u32::MAX);
        let name = &question.name;
        message.add_answers(
            self.records.into_iter().map(|data| Record::from_rdata(name.clone(), ttl, data)),
        );
        let bytes = bytes(&message);
        let room = match most {
            Most::Stream => usize::from(u16::MAX),
            Most::Datagram => {
                let payload = question.extended.map_or(LEAST, |extended| extended.payload);
                usize::from(payload.clamp(LEAST, PAYLOAD))
            }
        };
        if bytes.len() <= room { bytes } else { self::bytes(&message.truncate()) }
    }
}

/// To what could not be read.
pub(super) fn error(id: u16, code: ResponseCode) -> Vec<u8> {
    bytes(&Message::error_msg(id, OpCode::Query, code))
}

fn head(question: &Question) -> Message {
    let mut message = Message::response(question.id, OpCode::Query);
    let mut query = Query::query(question.name.clone(), question.kind);
    query.set_query_class(question.class);
    message.add_query(query);
    message.metadata.recursion_desired = question.recursion_desired;
    // Without it, an answer that has nothing is a lame server's to glibc and Go, who ask again.
    message.metadata.recursion_available = true;
    message.metadata.checking_disabled = question.checking_disabled;
    if question.extended.is_some() {
        let mut edns = Edns::new();
        edns.set_max_payload(PAYLOAD);
        message.set_edns(edns);
    }
    message
}

fn bytes(message: &Message) -> Vec<u8> {
    // Of what was read or made by us, all of which has a wire form; the header alone otherwise.
    message.to_vec().unwrap_or_else(|_| {
        let id = message.metadata.id.to_be_bytes();
        let servfail = 2;
        vec![id[0], id[1], 0x80, 0x80 | servfail, 0, 0, 0, 0, 0, 0, 0, 0]
    })
}

fn why(reason: Reason) -> EdnsOption {
    let (code, text) = match reason {
        Reason::NotAllowed => (PROHIBITED, "the egress policy does not name it"),
        Reason::PrivateAnswer => (PROHIBITED, "its address is private"),
        Reason::QueryKind => (PROHIBITED, "only addresses are answered"),
        Reason::Limit => (PROHIBITED, "too many names"),
        _ => (OTHER, "refused"),
    };
    let mut data = code.to_be_bytes().to_vec();
    data.extend(text.as_bytes());
    EdnsOption::Unknown(EXTENDED_ERROR, data)
}
