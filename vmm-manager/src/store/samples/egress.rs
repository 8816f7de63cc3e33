//! Policies, and records of what they let through.

use std::net::IpAddr;

use kiln_net::{
    policy::{Policy, Protocol},
    record::{EgressRecord, Flow, Reason, Refusal, Refused, Transport},
};
use proptest::{collection::vec, option, prelude::*};

use super::{text, times};

pub(super) fn policies() -> impl Strategy<Value = Policy> {
    let rule = "(\\*\\.)?[a-z]{1,9}\\.test:[1-9][0-9]{0,3}(/(tls|http|tcp|udp))?";
    let allow = prop::collection::hash_set(rule, 1..4)
        .prop_filter_map("one rule twice", |rules| Policy::allow(rules).ok());
    prop_oneof![Just(Policy::None), Just(Policy::Record), Just(Policy::Internet), allow]
}

fn transports() -> impl Strategy<Value = Transport> {
    let all = [Transport::Tcp, Transport::Udp, Transport::Icmp, Transport::Other];
    prop::sample::select(all.to_vec())
}

fn flows() -> impl Strategy<Value = Flow> {
    let protocols = option::of(prop_oneof![Just(Protocol::Tls), Just(Protocol::Http)]);
    let to =
        (option::of("[a-z]{1,9}\\.test"), any::<IpAddr>(), any::<u16>(), transports(), protocols);
    (to, any::<[u64; 3]>(), times(), times()).prop_map(|(to, counts, first, last)| {
        let (name, address, port, transport, protocol) = to;
        let [connections, sent_bytes, received_bytes] = counts;
        Flow {
            name: name.map(|name| name.parse().unwrap()),
            address,
            port,
            transport,
            protocol,
            connections,
            sent_bytes,
            received_bytes,
            first,
            last,
        }
    })
}

fn refusals() -> impl Strategy<Value = Refusal> {
    let query = (text(), text()).prop_map(|(name, kind)| Refused::Query { name, kind });
    let connection = (option::of(text()), any::<IpAddr>(), any::<u16>(), transports()).prop_map(
        |(name, address, port, transport)| Refused::Connection { name, address, port, transport },
    );
    let reason = prop_oneof![Just(Reason::NotAllowed), Just(Reason::Never), Just(Reason::Limit)];
    (prop_oneof![query, connection], reason, any::<u64>(), option::of(times()), option::of(times()))
        .prop_map(|(what, reason, times, first, last)| Refusal { what, reason, times, first, last })
}

pub(in crate::store) fn egress() -> impl Strategy<Value = EgressRecord> {
    let lists = (vec(flows(), 0..3), vec(refusals(), 0..3));
    (lists, any::<[u64; 4]>(), option::of(text())).prop_map(|(lists, counts, incomplete)| {
        let (flows, refusals) = lists;
        let [more_flows, more_refusals, forged_frames, limited_packets] = counts;
        EgressRecord {
            flows,
            refusals,
            more_flows,
            more_refusals,
            forged_frames,
            limited_packets,
            incomplete,
        }
    })
}
