use std::time::{Duration, UNIX_EPOCH};

use proptest::prelude::*;

use super::*;
use crate::{
    control::Event,
    seen::{Seen, SeenFlow, SeenRefusal},
};

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

fn lines(events: &[Event]) -> Vec<u8> {
    let mut text = Vec::new();
    for event in events {
        serde_json::to_writer(&mut text, event).unwrap();
        // As a gateway pads them.
        text.extend(b"   \n");
    }
    text
}

fn journal(text: &[u8]) -> Journal {
    Journal::read(text, 1 << 20).unwrap()
}

fn merged(journal: &Journal, seen: &Seen) -> EgressRecord {
    EgressRecord::merge(journal, Some(seen), &[], &(at(100)..=at(200)))
}

fn flow(name: &str, address: &str, port: u16, sent: u64, first: u64) -> Flow {
    Flow {
        name: Some(name.parse().unwrap()),
        address: address.parse().unwrap(),
        port,
        transport: Transport::Tcp,
        protocol: Some(Protocol::Tls),
        connections: 1,
        sent_bytes: sent,
        received_bytes: 0,
        first: at(first),
        last: at(first + 1),
    }
}

fn query(name: &str, times: u64, last: u64) -> Refusal {
    Refusal {
        what: Refused::Query { name: name.to_owned(), kind: "A".to_owned() },
        reason: Reason::NotAllowed,
        times,
        first: Some(at(last)),
        last: Some(at(last)),
    }
}

fn answered(name: &str, address: &str) -> Event {
    let addresses = vec![address.parse().unwrap()];
    Event::Answered { name: name.parse().unwrap(), addresses }
}

#[test]
fn connections_to_one_place_are_one_flow() {
    let spliced = |id, flow| Event::Spliced { id, flow };
    let text = lines(&[
        Event::Lost { flows: 2, refusals: 3 },
        spliced(1, flow("one.test", "203.0.113.1", 443, 10, 120)),
        // The newest of an id counts.
        spliced(1, flow("one.test", "203.0.113.1", 443, 30, 120)),
        spliced(2, flow("one.test", "203.0.113.1", 443, 5, 110)),
        spliced(3, flow("two.test", "203.0.113.1", 443, 7, 115)),
    ]);
    let record = merged(&journal(&text), &Seen::default());
    let told: Vec<_> = record.flows.iter().map(|one| (one.sent_bytes, one.connections)).collect();
    assert_eq!(told, [(35, 2), (7, 1)]);
    assert_eq!((record.flows[0].first, record.flows[0].last), (at(110), at(121)));
    assert_eq!((record.more_flows, record.more_refusals), (2, 3));
    assert_eq!(record.incomplete, None);
}

#[test]
fn what_the_kernel_saw_gets_the_name_that_its_address_was_given_for() {
    let text = lines(&[
        answered("one.test", "203.0.113.1"),
        answered("one.test", "203.0.113.1"),
        answered("a.test", "203.0.113.2"),
        answered("b.test", "203.0.113.2"),
    ]);
    let seen_flow = |address: &str| SeenFlow {
        address: address.parse().unwrap(),
        port: 53,
        transport: Transport::Udp,
        sent_bytes: 1,
        received_bytes: 2,
        first: at(150),
        last: at(160),
    };
    let refused = |address: &str| SeenRefusal {
        address: address.parse().unwrap(),
        port: 22,
        transport: Transport::Tcp,
        packets: 4,
    };
    let seen = Seen {
        flows: vec![seen_flow("203.0.113.1"), seen_flow("203.0.113.2")],
        refused: vec![refused("203.0.113.1"), refused("169.254.169.254"), refused("192.0.2.9")],
        more_flows: 1,
        more_refused: 2,
        forged_frames: 3,
        limited_packets: 4,
    };
    let never = ["192.0.2.0/24".parse().unwrap()];
    let lifetime = at(100)..=at(200);
    let record = EgressRecord::merge(&journal(&text), Some(&seen), &never, &lifetime);
    let names: Vec<_> =
        record.flows.iter().map(|one| one.name.as_ref().map(Name::as_str)).collect();
    assert_eq!(names, [Some("one.test"), None], "which of two was meant can't be told");
    let told: Vec<_> = record.refusals.iter().map(|one| (one.reason, one.times)).collect();
    assert_eq!(told.iter().filter(|one| **one == (Reason::Never, 4)).count(), 2);
    assert!(told.contains(&(Reason::NotAllowed, 4)));
    let counts = (record.more_flows, record.more_refusals);
    assert_eq!((counts, record.forged_frames, record.limited_packets), ((1, 2), 3, 4));
    let blind = EgressRecord::merge(&journal(&text), None, &[], &lifetime);
    assert!(blind.incomplete.unwrap().contains("kernel"));
}

#[test]
fn refusals_of_one_kind_are_one() {
    let text = lines(&[
        Event::Refused(query("a.test", 2, 150)),
        Event::Refused(query("a.test", 3, 120)),
        Event::Refused(query("b.test", 1, 110)),
    ]);
    let record = merged(&journal(&text), &Seen::default());
    assert_eq!(record.refusals.len(), 2);
    let a = &record.refusals[1];
    assert_eq!((a.times, a.first, a.last), (5, Some(at(120)), Some(at(150))));
}

#[test]
fn nonsense_is_counted_and_passed_over() {
    let mut text = b"{}\nnot json\n\n\xff\xfe\n{\"spliced\":{\"id\":-1}}\n".to_vec();
    text.extend(vec![b'['; 100_000]);
    text.push(b'\n');
    text.extend(lines(&[Event::Refused(query("a\n\u{1b}[2J\u{202e}", u64::MAX, 9999))]));
    text.extend(lines(&[Event::Refused(query("a\n\u{1b}[2J\u{202e}", 5, 1))]));
    text.extend(b"{\"refused\":{\"what\":");
    let record = merged(&journal(&text), &Seen::default());
    let refusal = &record.refusals[0];
    let Refused::Query { name, .. } = &refusal.what else { panic!("{refusal:?}") };
    assert_eq!(name, "a\\n\\u{1b}[2J\\u{202e}");
    assert_eq!(
        (refusal.times, refusal.first, refusal.last),
        (u64::MAX, Some(at(100)), Some(at(200)))
    );
    assert!(record.incomplete.unwrap().starts_with("6 lines of the gateway's record"));
}

#[test]
fn a_long_journal_is_read_to_its_bound_and_says_so() {
    let text = lines(&[Event::Refused(query("a.test", 1, 150))]);
    let whole = Journal::read(&text[..], text.len() as u64).unwrap();
    assert_eq!(merged(&whole, &Seen::default()).incomplete, None);
    let cut = Journal::read(&text.repeat(2)[..], text.len() as u64).unwrap();
    assert!(merged(&cut, &Seen::default()).incomplete.unwrap().contains("longer than it may be"));
}

#[test]
fn lists_have_an_end_and_the_rest_is_counted() {
    let mut events = Vec::new();
    for number in 0..MAX_FLOWS as u64 + 500 {
        let name = format!("h{number}.test");
        events.push(Event::Spliced { id: number, flow: flow(&name, "203.0.113.1", 443, 1, 150) });
        events.push(Event::Refused(query(&name, 2, 100 + number % 50)));
    }
    events.push(Event::Refused(query("last.test", 1, 199)));
    let text = lines(&events);
    let record = merged(&Journal::read(&text[..], 16 << 20).unwrap(), &Seen::default());
    assert_eq!((record.flows.len(), record.more_flows), (MAX_FLOWS, 500));
    assert_eq!((record.refusals.len(), record.more_refusals), (MAX_REFUSALS, 1002));
    let last = record.refusals.last().unwrap();
    assert_eq!(last.last, Some(at(199)), "the latest are kept");
}

proptest! {
    #[test]
    fn no_bytes_are_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
        let record = merged(&Journal::read(&bytes[..], 1000).unwrap(), &Seen::default());
        prop_assert!(record.flows.is_empty() && record.refusals.is_empty());
    }

    /// Whatever the order in which they were told, nothing is counted twice or forgotten.
    #[test]
    fn the_order_makes_no_difference(
        told in proptest::collection::vec((0..4_u8, 1..1000_u64, 90..220_u64), 0..30),
        seed in any::<u64>(),
    ) {
        let event = |(number, &(host, amount, time)): (usize, &(u8, u64, u64))| {
            let flow = flow(&format!("h{host}.test"), "203.0.113.1", 443, amount, time);
            let refused = Event::Refused(query(&format!("h{host}.test"), amount, time));
            [Event::Spliced { id: number as u64, flow }, refused]
        };
        let events: Vec<_> = told.iter().enumerate().flat_map(event).collect();
        let mut turned = events.clone();
        turned.rotate_left(usize::try_from(seed).unwrap_or(0) % events.len().max(1));
        turned.reverse();
        let record = merged(&journal(&lines(&events)), &Seen::default());
        prop_assert_eq!(&record, &merged(&journal(&lines(&turned)), &Seen::default()));
        let amount: u64 = told.iter().map(|(_, amount, _)| amount).sum();
        prop_assert_eq!(record.flows.iter().map(|one| one.sent_bytes).sum::<u64>(), amount);
        prop_assert_eq!(record.refusals.iter().map(|one| one.times).sum::<u64>(), amount);
        for flow in &record.flows {
            prop_assert!(at(100) <= flow.first && flow.first <= flow.last && flow.last <= at(200));
        }
    }
}
