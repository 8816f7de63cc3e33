use prost_types::Timestamp;

use super::*;
use crate::{
    output::Stream,
    record::{BuildWarning, Step, StepLog, StepProgress, Time},
};

fn time(milliseconds: i64) -> Time {
    let nanos = i32::try_from(milliseconds % 1000).unwrap() * 1_000_000;
    Time::from(Timestamp { seconds: milliseconds / 1000, nanos })
}

fn step(number: u32, started: i64, completed: Option<i64>) -> BuildEvent {
    let name = format!("[{number}/3] RUN");
    let completed_at = completed.map(time);
    BuildEvent::Step(Step {
        number,
        name,
        started_at: Some(time(started)),
        completed_at,
        ..Step::default()
    })
}

fn log(step: u32, at: i64, data: &str) -> BuildEvent {
    let data = data.to_owned().into();
    BuildEvent::Log(StepLog { step, stream: Stream::Stdout, time: Some(time(at)), data })
}

#[track_caller]
fn check(events: &[BuildEvent], expected: &str) {
    let mut plain = Plain::default();
    let now = Instant::now();
    let mut out: Vec<u8> = events.iter().flat_map(|event| plain.event(event, now)).collect();
    out.extend(plain.finish());
    assert_eq!(String::from_utf8(out).unwrap(), expected);
}

#[test]
fn a_step_says_its_lines_and_how_it_ended() {
    check(
        &[
            step(1, 1000, None),
            log(1, 1123, "one\ntw"),
            log(1, 1200, "o\n"),
            log(1, 1250, "no end"),
            step(1, 1000, Some(1340)),
            // The guest says all of them again at the end.
            step(1, 1000, Some(1340)),
        ],
        "#1 [1/3] RUN\n#1 0.123 one\n#1 0.123 two\n#1 0.250 no end\n#1 DONE 0.3s\n",
    );
}

#[test]
fn cached_failed_and_cancelled_ones() {
    let ended = |number, cached, error: &str| {
        BuildEvent::Step(Step {
            number,
            name: "COPY a b\nc".to_owned(),
            started_at: Some(time(0)),
            completed_at: Some(time(100)),
            cached,
            error: error.to_owned(),
            ..Step::default()
        })
    };
    check(
        &[ended(1, true, ""), ended(2, false, "exit code: 3"), ended(3, false, "context canceled")],
        "#1 COPY a b c\n#1 CACHED\n\n#2 COPY a b c\n#2 ERROR: exit code: 3\n\n\
         #3 COPY a b c\n#3 CANCELED\n",
    );
}

#[test]
fn one_step_has_the_floor_while_it_works() {
    check(
        &[
            step(1, 0, None),
            step(2, 0, None),
            log(2, 10, "second\n"),
            log(1, 20, "first\n"),
            step(1, 0, Some(1000)),
            step(2, 0, Some(2000)),
        ],
        "#1 [1/3] RUN\n#1 0.020 first\n#1 DONE 1.0s\n\n#2 [2/3] RUN\n#2 0.010 second\n#2 DONE 2.0s\n",
    );
}

#[test]
fn turns_are_taken() {
    let mut plain = Plain::default();
    let now = Instant::now();
    let mut out = plain.event(&step(1, 0, None), now);
    out.extend(plain.event(&step(2, 0, None), now));
    out.extend(plain.event(&log(2, 10, "second\n"), now));
    out.extend(plain.turn());
    out.extend(plain.event(&step(1, 0, Some(1000)), now));
    out.extend(plain.turn());
    out.extend(plain.turn());
    out.extend(plain.event(&step(2, 0, Some(2000)), now));
    let expected = "#1 [1/3] RUN\n#1 ...\n\n#2 [2/3] RUN\n#2 0.010 second\n#2 ...\n\n\
                    #1 [1/3] RUN\n#1 DONE 1.0s\n\n#2 [2/3] RUN\n#2 DONE 2.0s\n";
    assert_eq!(String::from_utf8(out).unwrap(), expected);
}

#[test]
fn sizes_of_layers_and_warnings() {
    let progress = |current, completed| {
        BuildEvent::Progress(StepProgress {
            step: 1,
            id: "sha256:ab".to_owned(),
            current,
            total: 3_400_000,
            started_at: Some(time(0)),
            completed_at: completed,
        })
    };
    let warning = BuildWarning { step: 1, text: "old form".to_owned(), ..BuildWarning::default() };
    check(
        &[
            step(1, 0, None),
            progress(0, None),
            // Too soon.
            progress(1_000_000, None),
            progress(3_400_000, Some(time(1200))),
            BuildEvent::Warning(warning),
            step(1, 0, Some(1300)),
        ],
        "#1 [1/3] RUN\n#1 sha256:ab 0B / 3.40MB\n#1 sha256:ab 3.40MB / 3.40MB 1.2s done\n\
         #1 WARN: old form\n#1 DONE 1.3s\n",
    );
}

#[test]
fn names_do_not_steer_the_terminal_and_logs_are_as_they_were() {
    let named = BuildEvent::Step(Step {
        number: 1,
        name: "RUN \x1b[2J".to_owned(),
        started_at: Some(time(0)),
        ..Step::default()
    });
    check(
        &[named, log(1, 0, "\x1b[31mgrün\x1b[0m\n")],
        "#1 RUN \\u{1b}[2J\n#1 0.000 \x1b[31mgrün\x1b[0m\n",
    );
    check(
        &[BuildEvent::Gap { dropped_bytes: 2048 }],
        "#0 here 2 KiB of the log are missing: it had reached its quota\n",
    );
}

#[test]
fn who_says_much_does_not_wait() {
    let mut plain = Plain::default();
    let now = Instant::now();
    let mut out = plain.event(&step(1, 0, None), now);
    out.extend(plain.event(&step(2, 0, None), now));
    let line = format!("{}\n", "x".repeat(64 << 10));
    for _ in 0..100 {
        out.extend(plain.event(&log(2, 10, &line), now));
        assert!(plain.steps.values().all(|step| step.held_bytes() <= MOST_WAITING));
    }
    assert!(out.len() > 90 * line.len());
    let text = String::from_utf8(out).unwrap();
    assert!(text.starts_with("#1 [1/3] RUN\n#1 ...\n\n#2 [2/3] RUN\n#2 0.010 xxx"));
}

/// What `Plain` holds, as it counts it and as it is.
#[track_caller]
fn check_held(plain: &Plain) {
    let held: usize = plain.steps.values().map(Shown::held_bytes).sum();
    assert_eq!(plain.held, held);
    assert!(held <= MOST_HELD, "{held}");
}

const STEPS: u32 = 4096;

#[test]
fn thousands_that_wait_are_let_speak() {
    let mut plain = Plain::default();
    let now = Instant::now();
    let mut out = plain.event(&step(1, 0, None), now);
    let line = format!("{}\n", "x".repeat((16 << 10) - 1));
    for _ in 0..2 {
        for number in 2..=STEPS {
            out.extend(plain.event(&step(number, 0, None), now));
            out.extend(plain.event(&log(number, 10, &line), now));
            check_held(&plain);
        }
    }
    let room: usize = plain.steps.values().map(Shown::room).sum();
    assert!(room <= 3 * MOST_HELD, "{room}");
    out.extend(plain.finish());
    assert_eq!(plain.held, 0);
    // Nothing is lost, and who waited longest went first.
    let text = String::from_utf8(out).unwrap();
    assert_eq!(text.matches(line.trim_end()).count(), 2 * (STEPS as usize - 1));
    assert!(text.starts_with("#1 [1/3] RUN\n#1 ...\n\n#2 [2/3] RUN\n#2 0.010 xxx"));
}

#[test]
fn halves_of_lines_are_counted() {
    let mut plain = Plain::default();
    let now = Instant::now();
    let half = "x".repeat(8 << 10);
    let mut written = 0;
    for _ in 0..4 {
        for number in 1..=STEPS {
            written += plain.event(&log(number, 10, &half), now).len();
            check_held(&plain);
        }
    }
    written += plain.finish().len();
    assert!(written >= 4 * half.len() * STEPS as usize);
}

#[test]
fn what_steps_do_is_kept_within_one_bound() {
    let mut plain = Plain::default();
    let now = Instant::now();
    let part = |step, part| {
        let id = format!("{part:02048}");
        BuildEvent::Progress(StepProgress { step, id, ..StepProgress::default() })
    };
    for number in 1..=STEPS {
        for each in 0..4 {
            let _ = plain.event(&part(number, each), now);
            assert!(plain.parts <= MOST_PARTS, "{number}");
        }
        check_held(&plain);
    }
    assert!(plain.parts > MOST_PARTS - (4 << 10));
    let kept: usize = plain.steps.values().map(Shown::parts).sum();
    assert!(kept * 2048 <= MOST_PARTS, "{kept}");
    // What is kept is said once, and the rest whenever it comes.
    let _ = plain.finish();
    assert!(plain.event(&part(1, 0), now).is_empty());
    assert!(!plain.event(&part(STEPS, 0), now).is_empty());
}
