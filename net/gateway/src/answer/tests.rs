use hickory_proto::{
    op::Query,
    rr::{
        Record,
        rdata::{A, CNAME},
    },
};
use proptest::prelude::*;

use super::*;

fn name(text: &str) -> Name {
    Name::from_ascii(text).unwrap()
}

fn asked(kind: RecordType) -> Asked {
    Asked { id: 7, name: name("one.test."), kind }
}

fn answer(kind: RecordType, records: Vec<Record>) -> Vec<u8> {
    let mut message = Message::response(7, OpCode::Query);
    message.add_query(Query::query(name("one.test."), kind));
    message.add_answers(records);
    message.to_vec().unwrap()
}

fn a(owner: &str, last: u8, ttl: u32) -> Record {
    Record::from_rdata(name(owner), ttl, RData::A(A::new(198, 51, 100, last)))
}

fn alias(owner: &str, target: &str, ttl: u32) -> Record {
    Record::from_rdata(name(owner), ttl, RData::CNAME(CNAME(name(target))))
}

fn judged(records: Vec<Record>) -> Result<Answer, Unusable> {
    judge(&answer(RecordType::A, records), &asked(RecordType::A), |_| false)
}

#[test]
fn the_least_time_of_a_chain_counts() {
    let check = |ttls: [u32; 3], expected| {
        let records = vec![
            alias("one.test.", "two.test.", ttls[0]),
            alias("two.test.", "three.test.", ttls[1]),
            a("three.test.", 1, ttls[2]),
        ];
        assert_eq!(judged(records).unwrap().ttl(), seconds(expected), "{ttls:?}");
    };
    check([100, 200, 300], 100);
    check([200, 50, 300], 50);
    check([200, 300, 60], 60);
    check([0, 300, 300], SHORTEST);
    check([900, 900, 900], LONGEST);
}

#[test]
fn a_chain_that_is_not_in_order_is_followed() {
    let records = vec![
        a("three.test.", 1, 60),
        alias("two.test.", "THREE.test.", 60),
        alias("ONE.test.", "two.test.", 60),
    ];
    let expected = vec![IpAddr::from([198, 51, 100, 1])];
    assert_eq!(judged(records), Ok(Answer::Addresses { addresses: expected, ttl: seconds(60) }));
}

#[test]
fn a_chain_may_have_eight_aliases() {
    let chain = |count: usize| {
        let mut records = vec![alias("one.test.", "n1.test.", 60)];
        for number in 1..count {
            let (from, to) = (format!("n{number}.test."), format!("n{}.test.", number + 1));
            records.push(alias(&from, &to, 60));
        }
        records.push(a(&format!("n{count}.test."), 1, 60));
        records
    };
    assert!(matches!(judged(chain(8)), Ok(Answer::Addresses { .. })));
    assert_eq!(judged(chain(9)), Err(Unusable::Aliases));
}

#[test]
fn who_asks_for_an_alias_gets_it() {
    let message = answer(RecordType::CNAME, vec![alias("one.test.", "two.test.", 60)]);
    let judged = judge(&message, &asked(RecordType::CNAME), |_| false);
    let records = vec![RData::CNAME(CNAME(name("two.test.")))];
    assert_eq!(judged, Ok(Answer::Records { records, ttl: seconds(60) }));
}

#[test]
fn only_so_many_addresses_are_told_and_each_once() {
    let records = (0..60).map(|number| a("one.test.", number / 2, 60)).collect();
    let Ok(Answer::Addresses { addresses, .. }) = judged(records) else { panic!() };
    let expected: Vec<_> = (0..16).map(|last| IpAddr::from([198, 51, 100, last])).collect();
    assert_eq!(addresses, expected);
}

#[test]
fn a_limit_holds_but_not_below_what_is_sensible() {
    let answer = Answer::Missing { ttl: seconds(60) };
    assert_eq!(answer.clone().within(seconds(20)).ttl(), seconds(20));
    assert_eq!(answer.clone().within(seconds(0)).ttl(), seconds(SHORTEST));
    assert_eq!(answer.within(seconds(90)).ttl(), seconds(60));
}

proptest! {
    #[test]
    fn bytes_of_any_kind_are_judged(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        let _ = judge(&bytes, &asked(RecordType::A), |_| false);
    }

    /// Whatever comes in whatever order: if one is private nothing is told, and otherwise exactly
    /// what belongs to the name.
    #[test]
    fn nothing_is_told_beside_a_private_address(
        lasts in prop::collection::vec((any::<u8>(), any::<bool>()), 1..12),
        private in any::<u8>(),
    ) {
        let records: Vec<_> = lasts
            .iter()
            .map(|(last, own)| a(if *own { "one.test." } else { "other.test." }, *last, 60))
            .collect();
        let message = answer(RecordType::A, records);
        let secret = IpAddr::from([198, 51, 100, private]);
        let judged = judge(&message, &asked(RecordType::A), |address| address == secret);
        if lasts.iter().any(|(last, _)| *last == private) {
            prop_assert_eq!(judged, Ok(Answer::Private { address: secret, ttl: seconds(SHORTEST) }));
        } else {
            let told = match judged {
                Ok(Answer::Addresses { addresses, .. }) => addresses,
                Ok(Answer::Empty { .. }) => Vec::new(),
                other => panic!("{other:?}"),
            };
            let own: Vec<_> = lasts.iter().filter(|(_, own)| *own).map(|(last, _)| *last).collect();
            for address in &told {
                prop_assert!(own.iter().any(|last| *address == IpAddr::from([198, 51, 100, *last])));
            }
            for last in own {
                prop_assert!(told.contains(&IpAddr::from([198, 51, 100, last])));
            }
        }
    }
}
