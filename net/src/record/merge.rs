//! What the gateway wrote down and what the kernel saw, as one record.

use std::{collections::HashMap, net::IpAddr, ops::RangeInclusive, time::SystemTime};

use super::{EgressRecord, Flow, Journal, Reason, Refusal, Refused, Transport};
use crate::{
    name::Name,
    plan::{Cidr, NEVER},
    policy::Protocol,
    seen::{Seen, SeenFlow, SeenRefusal},
};

/// The earliest are listed.
pub const MAX_FLOWS: usize = 1000;
/// The latest are listed, then those of which nobody saw when.
pub const MAX_REFUSALS: usize = 1000;

/// By what flows are put together.
type To = (Option<Name>, IpAddr, u16, Transport, Option<Protocol>);

impl EgressRecord {
    /// `lifetime` is the machine's: nothing happened outside of it, whatever a gateway says. `never`
    /// is what the operator added to [`NEVER`]. Without `seen` the record says that it lacks it.
    pub fn merge(
        journal: &Journal,
        seen: Option<&Seen>,
        never: &[Cidr],
        lifetime: &RangeInclusive<SystemTime>,
    ) -> Self {
        let mut record = Self {
            more_flows: journal.lost_flows,
            more_refusals: journal.lost_refusals,
            ..Self::default()
        };
        journal.lacks().iter().for_each(|what| record.lack(what));
        let mut flows: HashMap<To, Flow> = HashMap::new();
        let mut refusals: Vec<Refusal> = journal.refusals.values().cloned().collect();
        for flow in journal.flows.values() {
            add(&mut flows, flow.clone());
        }
        match seen {
            None => record.lack("what the kernel saw could not be read"),
            Some(seen) => {
                record.more_flows = record.more_flows.saturating_add(seen.more_flows);
                record.more_refusals = record.more_refusals.saturating_add(seen.more_refused);
                record.forged_frames = seen.forged_frames;
                record.limited_packets = seen.limited_packets;
                for flow in &seen.flows {
                    add(&mut flows, of_kernel(flow, journal));
                }
                let never = Never::new(never);
                refusals.extend(seen.refused.iter().map(|one| never.refusal(one, journal)));
            }
        }
        record.list_flows(flows.into_values().collect(), lifetime);
        record.list_refusals(refusals, lifetime);
        record
    }

    /// One more thing that it lacks.
    pub fn lack(&mut self, what: &str) {
        match &mut self.incomplete {
            Some(why) => {
                why.push_str("; ");
                why.push_str(what);
            }
            None => self.incomplete = Some(what.to_owned()),
        }
    }

    fn list_flows(&mut self, mut flows: Vec<Flow>, lifetime: &RangeInclusive<SystemTime>) {
        for flow in &mut flows {
            flow.first = within(flow.first, lifetime);
            flow.last = within(flow.last, lifetime).max(flow.first);
        }
        flows.sort_by(|one, other| {
            let key = |flow: &Flow| (flow.first, flow.address, flow.port, flow.transport);
            key(one).cmp(&key(other)).then_with(|| one.name.cmp(&other.name))
        });
        let over = flows.len().saturating_sub(MAX_FLOWS);
        flows.truncate(MAX_FLOWS);
        self.more_flows = self.more_flows.saturating_add(count(over));
        self.flows = flows;
    }

    fn list_refusals(&mut self, mut refusals: Vec<Refusal>, lifetime: &RangeInclusive<SystemTime>) {
        for refusal in &mut refusals {
            refusal.first = refusal.first.map(|first| within(first, lifetime));
            refusal.last = refusal.last.map(|last| within(last, lifetime)).max(refusal.first);
        }
        refusals.sort_by(|one, other| {
            other.last.cmp(&one.last).then_with(|| one.what.cmp(&other.what))
        });
        for over in refusals.iter().skip(MAX_REFUSALS) {
            self.more_refusals = self.more_refusals.saturating_add(over.times);
        }
        refusals.truncate(MAX_REFUSALS);
        // In the order in which they were first made; those without a time last.
        refusals.sort_by_key(|refusal| (refusal.first.is_none(), refusal.first));
        self.refusals = refusals;
    }
}

impl Refusal {
    /// The same once more.
    pub(super) fn add(&mut self, other: &Self) {
        self.times = self.times.saturating_add(other.times);
        self.first = [self.first, other.first].into_iter().flatten().min();
        self.last = self.last.max(other.last);
    }
}

fn add(flows: &mut HashMap<To, Flow>, flow: Flow) {
    let Flow { name, address, port, transport, protocol, .. } = &flow;
    let to = (name.clone(), *address, *port, *transport, *protocol);
    match flows.get_mut(&to) {
        Some(known) => {
            known.connections = known.connections.saturating_add(flow.connections);
            known.sent_bytes = known.sent_bytes.saturating_add(flow.sent_bytes);
            known.received_bytes = known.received_bytes.saturating_add(flow.received_bytes);
            known.first = known.first.min(flow.first);
            known.last = known.last.max(flow.last);
        }
        None => drop(flows.insert(to, flow)),
    }
}

fn of_kernel(flow: &SeenFlow, journal: &Journal) -> Flow {
    let SeenFlow { address, port, transport, sent_bytes, received_bytes, first, last } = *flow;
    Flow {
        name: journal.name_of(address).cloned(),
        address,
        port,
        transport,
        protocol: None,
        connections: 0,
        sent_bytes,
        received_bytes,
        first,
        last,
    }
}

/// What is out of reach under any policy.
struct Never<'a> {
    ours: Vec<Cidr>,
    operators: &'a [Cidr],
}

impl<'a> Never<'a> {
    fn new(operators: &'a [Cidr]) -> Self {
        Self { ours: NEVER.iter().filter_map(|block| block.parse().ok()).collect(), operators }
    }

    fn refusal(&self, seen: &SeenRefusal, journal: &Journal) -> Refusal {
        let SeenRefusal { address, port, transport, packets } = *seen;
        let is_never = self.ours.iter().chain(self.operators).any(|block| block.contains(address));
        let name = journal.name_of(address).map(Name::to_string);
        Refusal {
            what: Refused::Connection { name, address, port, transport },
            reason: if is_never { Reason::Never } else { Reason::NotAllowed },
            times: packets,
            first: None,
            last: None,
        }
    }
}

fn within(time: SystemTime, lifetime: &RangeInclusive<SystemTime>) -> SystemTime {
    time.max(*lifetime.start()).min(*lifetime.end()).max(*lifetime.start())
}

fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}
