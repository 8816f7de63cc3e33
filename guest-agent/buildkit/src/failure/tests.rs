use base64::{Engine as _, engine::general_purpose::STANDARD};
use bollard_buildkit_proto::google::protobuf::Any;
use serde_json::{Value, json};

use super::*;

const FILE: &str = "FROM registry.kiln:5000/local/base:1\nRUN echo a\nCOPPY a b\n";

fn source(text: &str, ranges: &[(u32, u32)]) -> Value {
    let position = |line| json!({"line": line, "character": 4});
    let ranges: Vec<Value> = ranges
        .iter()
        .map(|(start, end)| json!({"start": position(*start), "end": position(*end)}))
        .collect();
    let info =
        json!({"filename": "Dockerfile", "data": STANDARD.encode(text), "language": "Dockerfile"});
    json!({"info": info, "ranges": ranges})
}

fn failure(code: Code, message: &str, details: &[(&str, &Value)]) -> Failure {
    let details = details.iter().map(|(kind, value)| Any {
        type_url: format!("github.com/moby/buildkit/{kind}+json"),
        value: value.to_string().into_bytes(),
    });
    let status =
        rpc::Status { code: code as i32, message: message.to_owned(), details: details.collect() };
    let status = Status::with_details(code, message, status.encode_to_vec().into());
    Failure::of("failed to solve", &status)
}

fn excerpt_of(text: &str, ranges: &[(u32, u32)]) -> Option<Place> {
    failure(Code::Unknown, "no", &[("errdefs.Source", &source(text, ranges))]).place
}

#[test]
fn a_failure_says_what_which_and_where() {
    let vertex = json!({"digest": "sha256:one"});
    let stack = json!({"frames": [{"Name": "main.main"}]});
    let message =
        "dockerfile parse error on line 3: unknown instruction: COPPY (did you mean COPY?)";
    let details = [
        ("stack.Stack", &stack),
        ("errdefs.Vertex", &vertex),
        ("errdefs.Source", &source(FILE, &[(3, 3)])),
    ];
    let excerpt = "\
Dockerfile:3
--------------------
   1 |     FROM registry.kiln:5000/local/base:1
   2 |     RUN echo a
   3 | >>> COPPY a b
   4 |     
--------------------
";
    let expected = Failure {
        message: format!("failed to solve: {message}"),
        vertex: "sha256:one".into(),
        place: Some(Place {
            file: "Dockerfile".into(),
            first_line: 3,
            last_line: 3,
            excerpt: excerpt.into(),
        }),
    };
    assert_eq!(failure(Code::Unknown, message, &details), expected);
}

#[test]
fn codes_stand_before_the_words_as_in_go() {
    let message = |code| failure(code, "context canceled", &[]).message;
    assert_eq!(message(Code::Unknown), "failed to solve: context canceled");
    assert_eq!(message(Code::Cancelled), "failed to solve: Canceled: context canceled");
    assert_eq!(message(Code::Unavailable), "failed to solve: Unavailable: context canceled");
}

#[test]
fn excerpts_are_buildxs() {
    let lines: Vec<_> = (1..=12).map(|number| format!("line {number}")).collect();
    let text = lines.join("\n") + "\n";
    let check = |ranges: &[(u32, u32)], from: u32, to: u32, marked: &[u32]| {
        let place = excerpt_of(&text, ranges).unwrap();
        let mut lines = place.excerpt.lines();
        assert_eq!(lines.next().unwrap(), format!("Dockerfile:{}", place.first_line));
        assert_eq!(lines.next(), Some("--------------------"));
        for number in from..=to {
            let mark = if marked.contains(&number) { ">>>" } else { "   " };
            let line = if number <= 12 { format!("line {number}") } else { String::new() };
            assert_eq!(lines.next().unwrap(), format!(" {number:3} | {mark} {line}"));
        }
        assert_eq!(lines.next(), Some("--------------------"));
        assert_eq!(lines.next(), None);
    };
    // Lines around are counted by threes, as buildx does.
    check(&[(6, 6)], 4, 8, &[6]);
    check(&[(1, 1)], 1, 3, &[1]);
    check(&[(13, 13)], 11, 13, &[13]);
    check(&[(4, 7)], 3, 8, &[4, 5, 6, 7]);
    check(&[(4, 4), (6, 6)], 3, 7, &[4, 6]);
    // An end before the beginning is the beginning's.
    check(&[(6, 2)], 4, 8, &[6]);
    // As far as there are lines.
    check(&[(12, 40)], 11, 13, &[12, 13]);
}

#[test]
fn a_place_that_is_none_is_none() {
    for ranges in [&[][..], &[(0, 0)], &[(14, 14)], &[(u32::MAX, u32::MAX)]] {
        assert_eq!(excerpt_of(&"\n".repeat(12), ranges), None, "{ranges:?}");
    }
    let broken = [
        json!({"info": {"data": "%"}}),
        json!({"info": {"data": 7}}),
        json!({"ranges": [{"start": {"line": -1}}]}),
        json!([]),
    ];
    for value in broken {
        let failure = failure(Code::Unknown, "no", &[("errdefs.Source", &value)]);
        assert_eq!(
            failure,
            Failure { message: "failed to solve: no".into(), ..Failure::default() }
        );
    }
    let status = Status::with_details(Code::Unknown, "no", vec![0xff; 9].into());
    assert_eq!(Failure::of("failed to solve", &status).message, "failed to solve: no");
}

#[test]
fn of_several_places_the_first_counts_and_all_are_shown() {
    let (one, other) = (source("a\n", &[(1, 1)]), source("b\nc\n", &[(2, 2)]));
    let details = [("errdefs.Source", &one), ("errdefs.Source", &other)];
    let place = failure(Code::Unknown, "no", &details).place.unwrap();
    assert_eq!((place.first_line, place.last_line), (1, 1));
    assert!(place.excerpt.contains(">>> a\n") && place.excerpt.contains(">>> c\n"));
}
