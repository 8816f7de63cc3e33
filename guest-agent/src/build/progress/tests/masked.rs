//! Secrets in whatever can be told, cut at every place.

use kiln_buildkit::{
    Failure, Place, Report, StatusResponse, Timestamp, Vertex, VertexStatus, VertexWarning,
};
use kiln_proto::agent::v1::build_event::Event;

use super::{Random, decoded, done, events, failed, log, said, success, vertex, vertexes, written};
use crate::build::progress::Translator;

const SECRET: &str = "correct horse\nbattery staple";

#[test]
fn a_secret_that_is_cut_in_two_writes() {
    let text = format!("before {SECRET} after");
    for cut in 0..text.len() {
        let said = said([
            log("a", 1, &text.as_bytes()[..cut]),
            log("a", 1, &text.as_bytes()[cut..]),
            success("{}"),
        ]);
        let all = events(&said, 1000, &[SECRET], done());
        assert_eq!(written(&all, 1, 1), b"before *** after", "cut at {cut}");
    }
}

#[test]
fn each_step_and_stream_is_a_row_of_its_own() {
    let rows = [("a", 1), ("a", 2), ("b", 1)];
    let said = said(
        SECRET
            .as_bytes()
            .iter()
            .flat_map(|byte| rows.map(|(vertex, stream)| log(vertex, stream, &[*byte]))),
    );
    let all = events(&said, 1000, &[SECRET], done());
    for (step, stream) in [(1, 1), (1, 2), (2, 1)] {
        assert_eq!(written(&all, step, stream), b"***");
    }
}

#[test]
fn what_is_held_back_comes_when_the_step_ends() {
    let mut translator = Translator::new(vec![SECRET.into()]);
    let told = translator.feed(1, &said([log("a", 1, b"is it correct h")]));
    assert_eq!(written(&decoded(&told), 1, 1), b"is it ");
    let completed = Some(Timestamp { seconds: 1, nanos: 0 });
    let end = vertexes([Vertex { completed, ..vertex("a", "") }]);
    let told = decoded(&translator.feed(1, &said([end])));
    assert_eq!(written(&told, 1, 1), b"correct h");
    assert!(matches!(told.last(), Some(Event::Step(_))), "and before its end is told");
}

/// A secret in every text that there is, in two steps whose writes come in turns, cut at random.
#[test]
fn it_stands_nowhere() {
    for seed in 0..300 {
        let mut random = Random::new(seed);
        let quoted = SECRET.replace('\n', "\\n");
        let info = kiln_buildkit::SourceInfo { filename: quoted.clone(), ..Default::default() };
        let mut reports = vec![Report::Progress(StatusResponse {
            vertexes: vec![Vertex {
                error: format!("exit {quoted}"),
                ..vertex("a", &format!("RUN {quoted}"))
            }],
            statuses: vec![VertexStatus {
                id: format!("send {quoted}"),
                vertex: "sha256:a".to_owned(),
                ..VertexStatus::default()
            }],
            warnings: vec![VertexWarning {
                vertex: "sha256:a".to_owned(),
                short: SECRET.into(),
                detail: vec![SECRET.into()],
                url: format!("https://x/{quoted}"),
                info: Some(info),
                ..VertexWarning::default()
            }],
            logs: Vec::new(),
        })];
        let mut rows = [SECRET.repeat(3), SECRET.repeat(3)];
        while rows.iter().any(|row| !row.is_empty()) {
            let row = random.below(2);
            let cut = random.below(20).min(rows[row].len());
            let part: String = rows[row].drain(..cut).collect();
            reports.push(log(["a", "b"][row], 1, part.as_bytes()));
        }
        let place = Place {
            file: quoted.clone(),
            excerpt: format!(" 1 | >>> {SECRET}"),
            ..Place::default()
        };
        reports.push(match seed % 3 {
            0 => success(&format!("{{\"a\":\"{quoted}\"}}")),
            _ => Report::Failed(Failure {
                message: format!("process \"{quoted}\" failed: {SECRET}"),
                vertex: quoted,
                place: Some(place),
            }),
        });
        let size = 1 + random.below(200);
        let end = if seed % 3 == 0 { done() } else { failed() };
        let all = events(&said(reports), size, &[SECRET], end);
        let shown = format!("{all:?}");
        for part in ["correct horse", "battery", "staple"] {
            assert!(!shown.contains(part), "seed {seed}: {shown}");
        }
        for step in [1, 2] {
            assert_eq!(written(&all, step, 1), b"***");
        }
    }
}

#[test]
fn a_client_that_is_killed_while_it_writes_tells_no_half_of_a_report() {
    let whole = said([log("a", 1, SECRET.as_bytes())]);
    for cut in 1..whole.len() {
        let all = events(&whole[..cut], 1000, &[SECRET], failed());
        assert!(!format!("{all:?}").contains("horse"), "cut at {cut}: {all:?}");
    }
}
