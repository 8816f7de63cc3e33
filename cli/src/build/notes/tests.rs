use super::*;
use crate::{
    output::Stream,
    record::{Step, StepLog},
};

fn step(number: u32, error: &str) -> BuildEvent {
    let (name, error) = ("[2/2] RUN make".to_owned(), error.to_owned());
    BuildEvent::Step(Step { number, name, error, ..Step::default() })
}

fn log(data: &str) -> BuildEvent {
    log_of(2, data)
}

fn log_of(step: u32, data: &str) -> BuildEvent {
    let data = data.to_owned().into();
    BuildEvent::Log(StepLog { step, stream: Stream::Stderr, time: None, data })
}

fn fault(step: u32) -> BuildEvent {
    BuildEvent::Fault(BuildFault {
        message: "failed to solve: exit code: 3".to_owned(),
        step,
        file: "Dockerfile".to_owned(),
        first_line: 2,
        last_line: 2,
        excerpt: "   1 |     FROM a\n   2 | >>> RUN make\n   3 |     ".to_owned(),
    })
}

const PLACE: &str = "Dockerfile:2\n--------------------\n   1 |     FROM a\n   2 | >>> RUN make\n   \
                     3 |     \n--------------------\nERROR: failed to solve: exit code: 3\n";

#[test]
fn the_step_that_failed_is_shown_with_the_end_of_its_log() {
    let mut notes = Notes::default();
    for event in [step(2, ""), log("one\ntw"), log("o\n"), step(2, "exit code: 3"), fault(2)] {
        notes.take(&event);
    }
    let head = "------\n > [2/2] RUN make:\n0.000 one\n0.000 two\n------\n";
    assert_eq!(notes.fault(), format!("{head}{PLACE}"));
}

#[test]
fn a_long_log_shows_its_end() {
    let mut notes = Notes::default();
    notes.take(&step(2, "x"));
    for number in 0..100 {
        notes.take(&log(&format!("line {number}\n")));
    }
    notes.take(&log("half"));
    notes.take(&fault(0));
    let text = notes.fault();
    assert!(text.contains("line 90\n") && !text.contains("line 89\n"), "{text}");
    assert!(text.contains("0.000 half\n"), "{text}");
}

#[test]
fn without_a_log_the_place_alone_is_shown() {
    let mut notes = Notes::default();
    assert_eq!(notes.fault(), "");
    notes.take(&fault(0));
    assert_eq!(notes.fault(), PLACE);
}

#[test]
fn warnings_say_where() {
    let mut notes = Notes::default();
    assert_eq!(notes.warnings(), "");
    let warning = BuildWarning {
        text: "JSONArgsRecommended: write JSON".to_owned(),
        url: "https://docs.test/x".to_owned(),
        file: "Dockerfile".to_owned(),
        line: 3,
        ..BuildWarning::default()
    };
    notes.take(&BuildEvent::Warning(warning.clone()));
    notes.take(&BuildEvent::Warning(warning));
    let expected = "\n 1 warning found:\n - JSONArgsRecommended: write JSON (Dockerfile:3)\n   \
                    https://docs.test/x\n";
    assert_eq!(notes.warnings(), expected);
}

#[test]
fn logs_of_thousands_of_steps_are_bounded() {
    let mut notes = Notes::default();
    notes.take(&log_of(1, "why it failed\n"));
    notes.take(&step(1, "exit code: 3"));
    let line = format!("{}\n", "\x1b".repeat(WIDEST));
    let last = 4096;
    for number in 2..=last {
        for _ in 0..TAIL {
            notes.take(&log_of(number, &line));
            assert!(notes.held <= MOST_HELD, "{number}");
        }
    }
    let held: usize = notes.steps.values().map(Told::held_bytes).sum();
    assert_eq!(notes.held, held);
    let room: usize = notes.steps.values().map(Told::room).sum();
    assert!(room <= 2 * MOST_HELD, "{room}");
    // Of the one that failed, and of who spoke last, it is all there.
    notes.take(&fault(1));
    assert!(notes.fault().contains("0.000 why it failed\n"));
    assert_eq!(notes.steps[&last].tail.len(), TAIL);
    assert!(notes.steps[&2].is_silent());
}

impl Told {
    /// That is taken of the memory.
    fn room(&self) -> usize {
        self.tail.iter().map(Vec::capacity).sum::<usize>() + self.half.capacity()
    }
}
