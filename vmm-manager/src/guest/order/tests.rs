use kiln_proto::agent::v1::{ExecExited, ExecRefused, ExecResponse, ExecStarted};

use super::*;

fn started() -> Event {
    Event::Started(ExecStarted { pid: 7 })
}

fn stdout(length: usize) -> Event {
    Event::Stdout(vec![b'x'; length].into())
}

fn exited(status: Option<exec_exited::Status>) -> Event {
    Event::Exited(ExecExited { status, ..ExecExited::default() })
}

fn code(code: i32) -> Event {
    exited(Some(exec_exited::Status::Code(code)))
}

fn signal(signal: i32) -> Event {
    exited(Some(exec_exited::Status::Signal(signal)))
}

fn refused(reason: i32) -> Event {
    Event::Refused(ExecRefused { reason, message: "no\u{1b}[31m".into() })
}

/// `expected` is what the breach is called; empty when every event is to be admitted.
fn check(events: impl IntoIterator<Item = Event>, expected: &str) {
    let mut order = Order::Fresh;
    let mut result = Ok(());
    for event in events {
        assert!(result.is_ok(), "broken before the last event: {result:?}");
        result = order.admit(ExecResponse { event: Some(event) }).map(drop);
    }
    match result {
        Ok(()) => assert_eq!(expected, ""),
        Err(GuestError::Protocol { what }) => {
            assert!(!expected.is_empty() && what.contains(expected), "{what}");
        }
        Err(other) => panic!("{other:?}"),
    }
}

#[test]
fn a_command_starts_speaks_and_ends() {
    check([started()], "");
    check([started(), stdout(1), stdout(MAX_CHUNK_BYTES), code(0)], "");
    check([started(), code(255)], "");
    check([started(), signal(1)], "");
    check([started(), signal(64)], "");
    check([refused(1)], "");
}

#[test]
fn an_event_out_of_its_order_is_refused() {
    check([stdout(1)], "before its start");
    check([code(0)], "before its start");
    check([started(), started()], "started twice");
    check([started(), refused(1)], "refusal after the start");
    check([started(), code(0), stdout(1)], "after its end");
    check([started(), code(0), code(0)], "after its end");
    check([refused(1), started()], "after its end");
}

#[test]
fn an_event_of_impossible_shape_is_refused() {
    check([Event::Started(ExecStarted { pid: 0 })], "process id 0");
    check([started(), stdout(0)], "empty chunk");
    check([started(), stdout(MAX_CHUNK_BYTES + 1)], "65537 bytes");
    check([started(), code(-1)], "impossible exit");
    check([started(), code(256)], "impossible exit");
    check([started(), signal(0)], "impossible exit");
    check([started(), signal(65)], "impossible exit");
    check([started(), exited(None)], "without code or signal");
    check([refused(0)], "unknown reason 0");
    check([refused(99)], "unknown reason 99");
    assert!(Order::Fresh.admit(ExecResponse { event: None }).is_err());
}

#[test]
fn a_refusal_keeps_its_words_without_their_escapes() {
    let event = Order::Fresh.admit(ExecResponse { event: Some(refused(6)) }).unwrap();
    let message = "no\u{fffd}[31m".to_owned();
    assert_eq!(event, ExecEvent::Refused { reason: RefusalReason::Agent, message });
}
