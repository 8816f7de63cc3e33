//! What happened on a machine's network.

use std::{net::IpAddr, sync::Arc};

use kiln_net::{
    policy::Protocol,
    record::{EgressRecord, Flow, Reason, Refusal, Refused, Transport},
};
use serde::{Deserialize, Serialize};

use super::{
    DocumentError,
    time::{nanos_of, time_of},
};

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Egress {
    flows: Vec<FlowDocument>,
    refusals: Vec<RefusalDocument>,
    more_flows: u64,
    more_refusals: u64,
    forged_frames: u64,
    limited_packets: u64,
    incomplete: Option<String>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct FlowDocument {
    name: Option<String>,
    address: IpAddr,
    port: u16,
    transport: Transport,
    protocol: Option<Protocol>,
    connections: u64,
    sent_bytes: u64,
    received_bytes: u64,
    first: i64,
    last: i64,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct RefusalDocument {
    what: What,
    reason: Reason,
    times: u64,
    first: Option<i64>,
    last: Option<i64>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum What {
    Query { name: String, kind: String },
    Connection { name: Option<String>, address: IpAddr, port: u16, transport: Transport },
}

impl From<&EgressRecord> for Egress {
    fn from(record: &EgressRecord) -> Self {
        let EgressRecord {
            flows,
            refusals,
            more_flows,
            more_refusals,
            forged_frames,
            limited_packets,
            incomplete,
        } = record;
        Self {
            flows: flows.iter().map(FlowDocument::from).collect(),
            refusals: refusals.iter().map(RefusalDocument::from).collect(),
            more_flows: *more_flows,
            more_refusals: *more_refusals,
            forged_frames: *forged_frames,
            limited_packets: *limited_packets,
            incomplete: incomplete.clone(),
        }
    }
}

impl TryFrom<Egress> for Arc<EgressRecord> {
    type Error = DocumentError;

    fn try_from(egress: Egress) -> Result<Self, DocumentError> {
        let Egress {
            flows,
            refusals,
            more_flows,
            more_refusals,
            forged_frames,
            limited_packets,
            incomplete,
        } = egress;
        Ok(Self::new(EgressRecord {
            flows: flows.into_iter().map(Flow::try_from).collect::<Result<_, _>>()?,
            refusals: refusals.into_iter().map(Refusal::from).collect(),
            more_flows,
            more_refusals,
            forged_frames,
            limited_packets,
            incomplete,
        }))
    }
}

impl From<&Flow> for FlowDocument {
    fn from(flow: &Flow) -> Self {
        let Flow {
            name,
            address,
            port,
            transport,
            protocol,
            connections,
            sent_bytes,
            received_bytes,
            first,
            last,
        } = flow.clone();
        Self {
            name: name.map(String::from),
            address,
            port,
            transport,
            protocol,
            connections,
            sent_bytes,
            received_bytes,
            first: nanos_of(first),
            last: nanos_of(last),
        }
    }
}

impl TryFrom<FlowDocument> for Flow {
    type Error = DocumentError;

    fn try_from(flow: FlowDocument) -> Result<Self, DocumentError> {
        let FlowDocument {
            name,
            address,
            port,
            transport,
            protocol,
            connections,
            sent_bytes,
            received_bytes,
            first,
            last,
        } = flow;
        let parse = |name: String| {
            name.parse().map_err(|_| DocumentError::Field { field: "egress name", value: name })
        };
        Ok(Self {
            name: name.map(parse).transpose()?,
            address,
            port,
            transport,
            protocol,
            connections,
            sent_bytes,
            received_bytes,
            first: time_of(first),
            last: time_of(last),
        })
    }
}

impl From<&Refusal> for RefusalDocument {
    fn from(refusal: &Refusal) -> Self {
        let Refusal { what, reason, times, first, last } = refusal.clone();
        let what = match what {
            Refused::Query { name, kind } => What::Query { name, kind },
            Refused::Connection { name, address, port, transport } => {
                What::Connection { name, address, port, transport }
            }
        };
        Self { what, reason, times, first: first.map(nanos_of), last: last.map(nanos_of) }
    }
}

impl From<RefusalDocument> for Refusal {
    fn from(refusal: RefusalDocument) -> Self {
        let RefusalDocument { what, reason, times, first, last } = refusal;
        let what = match what {
            What::Query { name, kind } => Refused::Query { name, kind },
            What::Connection { name, address, port, transport } => {
                Refused::Connection { name, address, port, transport }
            }
        };
        Self { what, reason, times, first: first.map(time_of), last: last.map(time_of) }
    }
}
