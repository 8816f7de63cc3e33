use kiln_proto::agent::{
    MAX_BUILD_LOG_BYTES, MAX_BUILD_NAME_BYTES, MAX_BUILD_STEPS, MAX_BUILD_TEXT_BYTES,
    v1::{self, build_event::Event as Wire},
};

use super::{Event, InvalidEvent};

fn last() -> u32 {
    u32::try_from(MAX_BUILD_STEPS).unwrap()
}

fn event(wire: Wire) -> Result<Event, InvalidEvent> {
    v1::BuildEvent { event: Some(wire) }.try_into()
}

fn log(step: u32, stream: u32, length: usize) -> Wire {
    let data = vec![0x1b; length].into();
    Wire::Log(v1::BuildLog { step, stream, unix_nanos: u64::MAX, data })
}

fn step(number: u32, name: &str, error: &str, inputs: &[u32]) -> Wire {
    let (name, error, inputs) = (name.to_owned(), error.to_owned(), inputs.to_vec());
    Wire::Step(v1::BuildStep { number, name, error, inputs, ..v1::BuildStep::default() })
}

#[test]
fn what_is_within_bounds_is_taken_as_it_is() {
    let Ok(Event::Log(taken)) = event(log(1, 2, MAX_BUILD_LOG_BYTES)) else { panic!("a log") };
    assert!(taken.data.iter().all(|byte| *byte == 0x1b) && taken.time.is_some());
    let last = last();
    let Ok(Event::Step(taken)) = event(step(last, "n", "", &[1, last])) else { panic!("a step") };
    assert_eq!((taken.number, taken.error, taken.started_at), (last, None, None));
}

#[test]
fn names_cannot_steer_a_terminal() {
    let Ok(Event::Step(taken)) = event(step(1, "a\u{1b}[2J\nb", "x\n\ty\r\u{202e}", &[])) else {
        panic!("a step")
    };
    assert_eq!(taken.name, "a\u{fffd}[2J\u{fffd}b");
    assert_eq!(taken.error.unwrap(), "x\n\ty\u{fffd}\u{fffd}");
}

fn check(wire: Wire, expected: &InvalidEvent) {
    assert_eq!(event(wire).as_ref(), Err(expected));
}

#[test]
fn what_no_agent_says() {
    assert_eq!(Event::try_from(v1::BuildEvent::default()), Err(InvalidEvent::Unknown));
    let beyond = last() + 1;
    for number in [0, beyond, u32::MAX] {
        check(step(number, "", "", &[]), &InvalidEvent::Step { field: "a step's number", number });
        check(step(1, "", "", &[number]), &InvalidEvent::Step { field: "a step's input", number });
        check(log(number, 1, 1), &InvalidEvent::Step { field: "a log's step", number });
    }
    check(log(1, 0, 1), &InvalidEvent::Stream(0));
    check(log(1, 3, 1), &InvalidEvent::Stream(3));
    check(log(1, 1, 0), &InvalidEvent::EmptyLog);
    let too_long = |field, limit| InvalidEvent::TooLong { field, bytes: limit + 1, limit };
    let long = |limit: usize| "x".repeat(limit + 1);
    check(log(1, 1, MAX_BUILD_LOG_BYTES + 1), &too_long("a log's data", MAX_BUILD_LOG_BYTES));
    let name = long(MAX_BUILD_NAME_BYTES);
    check(step(1, &name, "", &[]), &too_long("a step's name", MAX_BUILD_NAME_BYTES));
    let text = long(MAX_BUILD_TEXT_BYTES);
    check(step(1, "", &text, &[]), &too_long("a step's error", MAX_BUILD_TEXT_BYTES));
    let details = vec![String::new(); MAX_BUILD_TEXT_BYTES + 1];
    let warning = v1::BuildWarning { details, ..v1::BuildWarning::default() };
    check(Wire::Warning(warning), &too_long("a warning's details", MAX_BUILD_TEXT_BYTES));
    let lines = v1::BuildError { first_line: 3, last_line: 2, ..v1::BuildError::default() };
    check(Wire::Error(lines), &InvalidEvent::Lines { first: 3, last: 2 });
}
