//! Secrets in whatever can be told, cut at every place.

use std::fmt::Write as _;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use kiln_proto::agent::v1::build_event::Event;

use super::{Random, decoded, done, events, failed, written};
use crate::build::progress::Translator;

const SECRET: &str = "correct horse\nbattery staple";

fn log(vertex: &str, stream: u32, data: &[u8]) -> String {
    let data = STANDARD.encode(data);
    format!(
        "{{\"logs\":[{{\"vertex\":\"{vertex}\",\"stream\":{stream},\"data\":\"{data}\",\"timestamp\":\
         \"2026-11-21T23:10:30Z\"}}]}}\n"
    )
}

#[test]
fn a_secret_that_is_cut_in_two_writes() {
    let text = format!("before {SECRET} after");
    for cut in 0..text.len() {
        let said = log("a", 1, &text.as_bytes()[..cut]) + &log("a", 1, &text.as_bytes()[cut..]);
        let all = events(said.as_bytes(), 1000, &[SECRET], done());
        assert_eq!(written(&all, 1, 1), b"before *** after", "cut at {cut}");
    }
}

#[test]
fn each_step_and_stream_is_a_row_of_its_own() {
    let mut said = String::new();
    for byte in SECRET.as_bytes() {
        for (vertex, stream) in [("a", 1), ("a", 2), ("b", 1)] {
            said += &log(vertex, stream, &[*byte]);
        }
    }
    let all = events(said.as_bytes(), 1000, &[SECRET], done());
    for (step, stream) in [(1, 1), (1, 2), (2, 1)] {
        assert_eq!(written(&all, step, stream), b"***");
    }
}

#[test]
fn what_is_held_back_comes_when_the_step_ends() {
    let mut translator = Translator::new(vec![SECRET.into()]);
    let told = decoded(&translator.feed(2, log("a", 1, b"is it correct h").as_bytes()));
    assert_eq!(written(&told, 1, 1), b"is it ");
    let end = "{\"vertexes\":[{\"digest\":\"a\",\"completed\":\"2026-11-21T23:10:31Z\"}]}\n";
    let told = decoded(&translator.feed(2, end.as_bytes()));
    assert_eq!(written(&told, 1, 1), b"correct h");
    assert!(matches!(told.last(), Some(Event::Step(_))), "and before its end is told");
}

/// A secret in every text that there is, in two steps whose writes come in turns, cut at random.
#[test]
fn it_stands_nowhere() {
    for seed in 0..300 {
        let mut random = Random::new(seed);
        let quoted = SECRET.replace('\n', "\\n");
        let mut said = format!(
            "{{\"vertexes\":[{{\"digest\":\"a\",\"name\":\"RUN {quoted}\",\"error\":\"exit {quoted}\"}}],\
             \"statuses\":[{{\"id\":\"send {quoted}\",\"vertex\":\"a\"}}],\
             \"warnings\":[{{\"vertex\":\"a\",\"short\":\"{0}\",\"detail\":[\"{0}\"],\"url\":\
             \"https://x/{quoted}\",\"sourceInfo\":{{\"filename\":\"{quoted}\"}}}}]}}\n",
            STANDARD.encode(SECRET),
        );
        let mut rows = [SECRET.repeat(3), SECRET.repeat(3)];
        while rows.iter().any(|row| !row.is_empty()) {
            let row = random.below(2);
            let cut = random.below(20).min(rows[row].len());
            let part: String = rows[row].drain(..cut).collect();
            said += &log(["a", "b"][row], 1, part.as_bytes());
        }
        let _ = write!(
            said,
            "{SECRET}:1\n--------------------\n 1 | >>> {SECRET}\n--------------------\n"
        );
        let _ = writeln!(said, "ERROR: process \"{quoted}\" failed: {SECRET}");
        let size = 1 + random.below(200);
        let all = events(said.as_bytes(), size, &[SECRET], failed());
        let shown = format!("{all:?}");
        for part in ["correct horse", "battery", "staple"] {
            assert!(!shown.contains(part), "seed {seed}: {shown}");
        }
        for step in [1, 2] {
            assert_eq!(written(&all, step, 1), b"***");
        }
    }
}

/// The engine's own form of it is one in which nobody would find a secret.
#[test]
fn a_client_that_is_killed_while_it_writes_tells_no_half_of_an_object() {
    let whole = log("a", 1, SECRET.as_bytes());
    for cut in 1..whole.len() {
        let all = events(&whole.as_bytes()[..cut], 1000, &[SECRET], failed());
        assert!(!format!("{all:?}").contains("Y29y"), "cut at {cut}: {all:?}");
    }
    let broken = format!("{whole}\n").replace("\"stream\"", "\"stream");
    let all = events(broken.as_bytes(), 1000, &[SECRET], failed());
    assert!(!format!("{all:?}").contains("Y29y"), "{all:?}");
}
