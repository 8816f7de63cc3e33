//! Why nothing is told, for those who can hear it.

use hickory_proto::{
    op::Message,
    rr::{
        RecordType,
        rdata::opt::{EdnsCode, EdnsOption},
    },
};

use crate::{
    gateway::{Setup, allow},
    guest::{ask, exchange, extended, is_refused, query},
};

/// RFC 8914.
const EXTENDED_ERROR: u16 = 15;
const PROHIBITED: [u8; 2] = [0, 18];

fn why(answer: &Message) -> Option<(Vec<u8>, String)> {
    let options = answer.edns.as_ref()?.options();
    let EdnsOption::Unknown(_, data) = options.get(EdnsCode::from(EXTENDED_ERROR))? else {
        return None;
    };
    let (code, text) = data.split_at(2);
    Some((code.to_vec(), String::from_utf8(text.to_vec()).unwrap()))
}

#[test]
fn a_refusal_says_that_it_is_one_to_who_takes_extended_errors() {
    let gateway = Setup::of(allow()).start();
    for (name, kind, words) in [
        ("evil.test", RecordType::A, "policy"),
        ("evil.test", RecordType::AAAA, "policy"),
        ("one.test", RecordType::TXT, "only addresses"),
    ] {
        let answer = exchange(gateway.udp, &extended(query(name, kind), 1232));
        assert!(is_refused(&answer), "{answer}");
        let (code, text) = why(&answer).expect("a reason");
        assert_eq!(code, PROHIBITED, "{name} {kind}");
        assert!(text.contains(words), "{text}");
        let plain = ask(gateway.udp, name, kind);
        assert!(is_refused(&plain) && plain.edns.is_none(), "{plain}");
    }
    // What is allowed and has nothing is not taken for a refusal.
    let empty = exchange(gateway.udp, &extended(query("one.test", RecordType::AAAA), 1232));
    assert_eq!(why(&empty), None);
}
