//! What is too much, too long, or nothing that was ever agreed on.

use kiln_buildkit::{
    Failure, Place, Position, Range, Report, SourceInfo, StatusResponse, Timestamp, VertexStatus,
    VertexWarning,
};
use kiln_proto::agent::{
    MAX_BUILD_LOG_BYTES, MAX_BUILD_NAME_BYTES, MAX_BUILD_STEPS, v1::build_event::Event,
};

use super::{
    End, Translator, decoded, done, events, failed, failure, fault, log, said, steps, success,
    vertex, vertexes, written,
};

#[test]
fn steps_over_the_bound_are_counted() {
    let steps_said = (0..MAX_BUILD_STEPS + 7)
        .flat_map(|number| [number, number])
        .map(|number| vertexes([vertex(&format!("{number:x}"), "n")]));
    let all = events(&said(steps_said), 60_000, &[], done());
    assert_eq!(steps(&all).len(), MAX_BUILD_STEPS);
    let summary = all.iter().find_map(|event| match event {
        Event::Summary(summary) => Some(summary),
        _ => None,
    });
    let summary = summary.unwrap();
    assert_eq!((summary.steps as usize, summary.more_steps), (MAX_BUILD_STEPS, 7));
}

#[test]
fn what_is_no_digest_is_no_step() {
    let long = "a".repeat(200);
    for digest in ["", "sha256", "sha256:", ":a", "sha256:A", "sha 256:a", "sha256:a b", &long] {
        let mut one = vertex("", "n");
        one.digest = digest.to_owned();
        let all = events(&said([vertexes([one])]), 99, &[], done());
        assert!(steps(&all).is_empty(), "{digest}");
    }
}

#[test]
fn long_names_are_cut_and_many_of_them_cut_short() {
    let long = "é".repeat(5000);
    let name = &steps(&events(&said([vertexes([vertex("a", &long)])]), 999, &[], done()))[0].name;
    assert!(name.len() <= MAX_BUILD_NAME_BYTES && name.ends_with("é…"));
    let many = (0..2000).map(|number| vertexes([vertex(&format!("{number:x}"), &long)]));
    let all = steps(&events(&said(many), 60_000, &[], done()));
    assert_eq!(all.len(), 2000);
    assert!(all.iter().map(|step| step.name.len()).sum::<usize>() < (1 << 20) + 2000 * 300);
}

#[test]
fn long_output_is_told_in_pieces_of_which_no_byte_is_another() {
    // Every byte, over and over: escapes, and what is no UTF-8.
    let data: Vec<u8> = (0..100_000_u32).map(|number| (number % 251) as u8).collect();
    let Report::Progress(mut status) = log("a", 2, &data) else { unreachable!() };
    status.logs[0].timestamp = Some(Timestamp { seconds: 1_795_302_630, nanos: 0 });
    status.vertexes = vec![vertex("a", "")];
    let all = events(&said([Report::Progress(status)]), 5000, &["a secret"], done());
    assert_eq!(written(&all, 1, 2), data);
    for event in &all {
        if let Event::Log(log) = event {
            assert!(log.data.len() <= MAX_BUILD_LOG_BYTES);
            assert_eq!(log.unix_nanos, 1_795_302_630_000_000_000);
        }
    }
}

#[test]
fn what_is_no_report_is_a_warning_and_ends_what_is_told() {
    let mut mixed = said([vertexes([vertex("a", "one")])]);
    mixed.extend([0xff; 12]);
    mixed.extend(said([vertexes([vertex("b", "two")]), success("{}")]));
    for size in [1, 7, 1000] {
        let all = events(&mixed, size, &[], failed());
        assert_eq!(steps(&all).len(), 1);
        let warnings = all.iter().filter(|event| matches!(event, Event::Warning(_))).count();
        assert_eq!(warnings, 1);
        assert_eq!(fault(&all).message, "the engine's client did not say why it failed");
    }
}

#[test]
fn warnings_have_their_place() {
    let position = Some(Position { line: 4, character: 0 });
    let warning = VertexWarning {
        vertex: "sha256:a".to_owned(),
        level: 1,
        short: b"an old way".to_vec(),
        detail: vec![b"one".to_vec(), b"two".to_vec()],
        url: "https://docs.test/x".to_owned(),
        info: Some(SourceInfo { filename: "Dockerfile".to_owned(), ..SourceInfo::default() }),
        ranges: vec![Range { start: position, end: position }],
    };
    let status = StatusResponse { warnings: vec![warning], ..StatusResponse::default() };
    let all = events(&said([Report::Progress(status)]), 100, &[], done());
    let Some(Event::Warning(warning)) = all.first() else { panic!("{all:?}") };
    assert_eq!((warning.step, warning.text.as_str(), warning.line), (1, "an old way", 4));
    assert_eq!(
        (warning.details.join(","), warning.file.as_str()),
        ("one,two".into(), "Dockerfile")
    );
}

#[test]
fn progress_is_told_at_its_turns_and_not_at_every_byte() {
    let part = |current: i64, millis: i32, completed: Option<i64>| {
        let at = |seconds: i64, nanos: i32| Some(Timestamp { seconds, nanos });
        let part = VertexStatus {
            id: "l".to_owned(),
            vertex: "sha256:a".to_owned(),
            total: 9000,
            current,
            timestamp: at(1000, millis * 1_000_000),
            started: at(1000, 0),
            completed: completed.and_then(|seconds| at(seconds, 0)),
            ..VertexStatus::default()
        };
        Report::Progress(StatusResponse { statuses: vec![part], ..StatusResponse::default() })
    };
    let growing = (0..90).map(|step| part(i64::from(step) * 100, step * 10, None));
    let ended = [part(9000, 900, Some(1001)), part(9000, 950, Some(1001))];
    let all = events(&said(growing.chain(ended)), 100, &[], done());
    let told: Vec<_> = all
        .iter()
        .filter_map(|event| match event {
            Event::Progress(progress) => {
                Some((progress.current, progress.completed_unix_nanos > 0))
            }
            _ => None,
        })
        .collect();
    assert_eq!(
        told,
        [(0, false), (2000, false), (4000, false), (6000, false), (8000, false), (9000, true)]
    );
}

#[test]
fn metadata_that_is_too_long_is_left_out() {
    let told = |metadata: &str| match events(&said([success(metadata)]), 999, &["hunter2"], done())
        .pop()
    {
        Some(Event::Done(done)) => (done.digest, done.metadata),
        other => panic!("{other:?}"),
    };
    let (digest, metadata) = told("{\"containerimage.digest\":\"sha256:0\",\"a\":\"hunter2\"}");
    assert_eq!(digest, "sha256:0");
    assert_eq!(metadata, "{\"containerimage.digest\":\"sha256:0\",\"a\":\"***\"}");
    assert_eq!(told(&" ".repeat(1 << 20)), Default::default());
}

fn check(reports: impl IntoIterator<Item = Report>, end: End, message: &str) {
    let all = events(&said(reports), 100, &["hunter2"], end);
    assert_eq!(fault(&all).message, message);
}

#[test]
fn what_is_known_of_a_failure_comes_first() {
    let note = Some("the output `image` is full, hunter2".to_owned());
    let full = || End { full_disk: Some("kiln-out-0".to_owned()), note: note.clone(), ..failed() };
    check([failure("broken pipe")], full(), "the output `image` is full, ***: broken pipe");
    assert_eq!(fault(&events(b"", 1, &[], full())).full_disk, "kiln-out-0");
    check([], full(), "the output `image` is full, ***");
    check([], failed(), "the engine's client did not say why it failed");
    check([vertexes([])], End::default(), "the engine's client was killed");
    // It may have been killed behind its last word; what it exported may not be whole then.
    check([success("{}")], End::default(), "the engine's client was killed");
    check([], done(), "the engine's client did not say why it failed");
}

#[test]
fn a_step_is_named_by_the_engine_or_by_its_words() {
    let mut failing = vertex("b", "load metadata for one.test/a");
    failing.error = "one.test/a: not found".to_owned();
    let failed_by = |vertex: &str, message: &str| {
        let failure = Failure {
            message: message.to_owned(),
            vertex: vertex.to_owned(),
            place: Some(Place { first_line: 7, last_line: 3, ..Place::default() }),
        };
        let steps = vertexes([super::vertex("a", "RUN"), failing.clone()]);
        let all = events(&said([steps, Report::Failed(failure)]), 99, &[], failed());
        assert_eq!((fault(&all).first_line, fault(&all).last_line), (7, 7));
        fault(&all).step
    };
    assert_eq!(failed_by("sha256:a", "failed to solve: one.test/a: not found"), 1);
    assert_eq!(failed_by("", "failed to solve: one.test/a: one.test/a: not found"), 2);
    assert_eq!(failed_by("sha256:c", "something else"), 0);
}

#[test]
fn last_words_are_told_where_there_is_nothing_else() {
    let mut translator = Translator::new(vec![b"hunter2".to_vec()]);
    assert!(translator.feed(2, b"a panic: hunt").is_empty());
    assert!(translator.feed(2, b"er2\n").is_empty());
    assert_eq!(fault(&decoded(&translator.finish(failed()))).message, "a panic: ***");
    let mut translator = Translator::new(Vec::new());
    translator.feed(2, b"an odd remark\n");
    translator.feed(1, &said([failure("why")]));
    assert_eq!(fault(&decoded(&translator.finish(failed()))).message, "why");
}
