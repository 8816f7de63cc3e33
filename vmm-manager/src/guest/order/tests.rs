use std::task::{Context, Waker};

use kiln_proto::agent::v1::{
    ExecExited, ExecRefused, ExecResponse, ExecStarted, OutputChunk, StdinTaken,
};

use super::*;

fn started() -> Event {
    started_at(0, false)
}

fn started_at(stdin_offset: u64, stdin_closed: bool) -> Event {
    Event::Started(ExecStarted { pid: 7, stdin_offset, stdin_closed })
}

fn stdout(length: usize) -> Event {
    stdout_at(0, length)
}

fn stdout_at(offset: u64, length: usize) -> Event {
    Event::Stdout(OutputChunk { offset, data: vec![b'x'; length].into() })
}

fn stderr_at(offset: u64, length: usize) -> Event {
    Event::Stderr(OutputChunk { offset, data: vec![b'x'; length].into() })
}

fn taken(offset: u64) -> Event {
    Event::StdinTaken(StdinTaken { offset })
}

fn command() -> Command {
    Command::new(vec!["true".into()], Duration::ZERO)
}

/// One that may have been begun before, and is asked for from `output_offset` on.
fn resumed(output_offset: u64, stdin_sent: Option<u64>) -> Command {
    Command { id: Some("work".into()), output_offset, stdin_sent, ..command() }
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
    check_of(&command(), 0, events, expected);
}

/// `check` for a command that is sent `sent` bytes of stdin on this stream.
fn check_of(command: &Command, sent: u64, events: impl IntoIterator<Item = Event>, expected: &str) {
    let mut order = Order::of(command);
    let context = Context::from_waker(Waker::noop());
    assert!(order.flow().poll_send(sent, &context).is_ready());
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
    check([started(), stdout(1), stdout_at(1, MAX_CHUNK_BYTES), code(0)], "");
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
    check([Event::Started(ExecStarted::default())], "process id 0");
    check([started(), stdout(0)], "empty chunk");
    check([started(), stdout(MAX_CHUNK_BYTES + 1)], "65537 bytes");
    check([started(), code(-1)], "impossible exit");
    check([started(), code(256)], "impossible exit");
    check([started(), signal(0)], "impossible exit");
    check([started(), signal(65)], "impossible exit");
    check([started(), exited(None)], "without code or signal");
    check([refused(0)], "unknown reason 0");
    check([refused(99)], "unknown reason 99");
    assert!(Order::of(&command()).admit(ExecResponse { event: None }).is_err());
}

#[test]
fn a_refusal_keeps_its_words_without_their_escapes() {
    let event = Order::of(&command()).admit(ExecResponse { event: Some(refused(6)) }).unwrap();
    let message = "no\u{fffd}[31m".to_owned();
    assert_eq!(event, ExecEvent::Refused { reason: RefusalReason::Agent, message });
}

#[test]
fn output_comes_without_a_hole_and_without_a_word_twice() {
    check([started(), stdout_at(0, 5), stderr_at(5, 2), stdout_at(7, 1), code(0)], "");
    check([started(), stdout_at(1, 1)], "offset 1 where 0 was due");
    check([started(), stdout_at(0, 5), stdout_at(6, 1)], "offset 6 where 5 was due");
    check([started(), stdout_at(0, 5), stderr_at(6, 1)], "offset 6 where 5 was due");
    check([started(), stdout_at(0, 5), stdout_at(0, 5)], "offset 0 where 5 was due");
    check([started(), stdout_at(0, 5), stdout_at(4, 5)], "offset 4 where 5 was due");
    check([started(), stdout_at(u64::MAX, 1)], "where 0 was due");
    let end = u64::MAX - 4;
    check_of(&resumed(end, None), 0, [started(), stdout_at(end, 4), code(0)], "");
    check_of(&resumed(end, None), 0, [started(), stdout_at(end, 5)], "output without end");
}

#[test]
fn a_command_that_is_taken_up_goes_on_where_it_was_asked_to() {
    let at_9 = || resumed(9, Some(0));
    check_of(&at_9(), 0, [started(), stdout_at(9, 3), stdout_at(12, 1), code(0)], "");
    check_of(&at_9(), 0, [started(), code(0)], "");
    check_of(&at_9(), 0, [started(), stdout_at(0, 3)], "offset 0 where 9 was due");
    check_of(&at_9(), 0, [started(), stdout_at(10, 3)], "offset 10 where 9 was due");
    check_of(&at_9(), 0, [started(), started()], "started twice");
}

#[test]
fn no_more_stdin_is_taken_than_was_sent() {
    let sent_4 = |events: Vec<Event>, expected| check_of(&command(), 4, events, expected);
    sent_4(vec![started(), taken(0), taken(3), taken(3), taken(4), code(0)], "");
    sent_4(vec![started(), taken(5)], "more stdin taken than was ever sent");
    sent_4(vec![started(), taken(u64::MAX)], "more stdin taken than was ever sent");
    sent_4(vec![started(), taken(3), taken(2)], "no longer taken");
    sent_4(vec![taken(1)], "before its start");
    sent_4(vec![started(), code(0), taken(1)], "after its end");
    // Nobody can have sent it any before.
    sent_4(vec![started_at(1, false)], "before the command was begun");
    sent_4(vec![started_at(0, true)], "before the command was begun");
    let earlier = |stdin_sent, events: Vec<Event>, expected| {
        check_of(&resumed(0, stdin_sent), 4, events, expected);
    };
    earlier(Some(10), vec![started_at(10, true), taken(14), code(0)], "");
    earlier(Some(10), vec![started_at(7, false), taken(11), code(0)], "");
    earlier(Some(10), vec![started_at(7, false), taken(12)], "more stdin taken");
    earlier(Some(10), vec![started_at(11, false)], "more stdin taken");
    earlier(Some(10), vec![started_at(7, false), taken(6)], "no longer taken");
    // Nobody knows any more what was sent.
    earlier(None, vec![started_at(1 << 60, false), taken((1 << 60) + 4), code(0)], "");
    earlier(None, vec![started_at(u64::MAX, false), taken(u64::MAX), code(0)], "");
    earlier(None, vec![started_at(1 << 60, false), taken((1 << 60) + 5)], "more stdin taken");
}

fn booted(events: impl IntoIterator<Item = Event>, expected: &str) {
    let command = BootCommand {
        id: "boot".into(),
        output_offset: 0,
        timeout: None,
        start_limit: Duration::ZERO,
        disk: "kiln-boot".into(),
        init: String::new(),
        arguments: Vec::new(),
        probe: None,
    };
    let mut order = Order::of_boot(&command);
    let admitted = events
        .into_iter()
        .try_for_each(|event| order.admit(ExecResponse { event: Some(event) }).map(drop));
    match admitted {
        Ok(()) => assert_eq!(expected, ""),
        Err(error) => {
            assert!(!expected.is_empty() && error.to_string().contains(expected), "{error}");
        }
    }
}

fn up(by: &str) -> Event {
    Event::Up(v1::BootUp { degraded: false, by: by.to_owned() })
}

#[test]
fn only_a_machine_comes_up_and_once() {
    for by in ["init", "systemd", "started", "command", "port"] {
        booted([started(), stdout(1), up(by), stdout_at(1, 1), code(0)], "");
    }
    booted([started(), up("init"), up("init")], "did so twice");
    booted([up("init")], "before its start");
    booted([started(), code(0), up("init")], "after its end");
    for by in ["", "Init", "\u{1b}[2J", &"x".repeat(1 << 20)] {
        booted([started(), up(by)], "by nothing known");
    }
    booted([started(), stderr_at(0, 1)], "errors beside");
    check([started(), up("init")], "a command that came up");
}
