//! What is too much, too long, or nothing that was ever agreed on.

use std::fmt::Write as _;

use kiln_proto::agent::{
    MAX_BUILD_LOG_BYTES, MAX_BUILD_NAME_BYTES, MAX_BUILD_STEPS, v1::build_event::Event,
};

use super::{End, Translator, decoded, done, events, failed, fault, steps, written};

#[test]
fn steps_over_the_bound_are_counted() {
    let mut said = String::new();
    for number in 0..MAX_BUILD_STEPS + 7 {
        for _ in 0..2 {
            let _ = writeln!(said, "{{\"vertexes\":[{{\"digest\":\"{number}\",\"name\":\"n\"}}]}}");
        }
    }
    let all = events(said.as_bytes(), 60_000, &[], done());
    assert_eq!(steps(&all).len(), MAX_BUILD_STEPS);
    let summary = all.iter().find_map(|event| match event {
        Event::Summary(summary) => Some(summary),
        _ => None,
    });
    let summary = summary.unwrap();
    assert_eq!((summary.steps as usize, summary.more_steps), (MAX_BUILD_STEPS, 7));
}

#[test]
fn long_names_are_cut_and_many_of_them_cut_short() {
    let long = "é".repeat(5000);
    let said = format!("{{\"vertexes\":[{{\"digest\":\"a\",\"name\":\"{long}\"}}]}}\n");
    let name = &steps(&events(said.as_bytes(), 999, &[], done()))[0].name;
    assert!(name.len() <= MAX_BUILD_NAME_BYTES && name.ends_with("é…"));
    let mut said = String::new();
    for number in 0..2000 {
        let _ =
            writeln!(said, "{{\"vertexes\":[{{\"digest\":\"{number}\",\"name\":\"{long}\"}}]}}");
    }
    let all = steps(&events(said.as_bytes(), 60_000, &[], done()));
    assert_eq!(all.len(), 2000);
    assert!(all.iter().map(|step| step.name.len()).sum::<usize>() < (1 << 20) + 2000 * 300);
}

#[test]
fn long_output_is_told_in_pieces_of_which_no_byte_is_another() {
    // Every byte, over and over: escapes, and what is no UTF-8.
    let data: Vec<u8> = (0..100_000_u32).map(|number| (number % 251) as u8).collect();
    let log = base64(&data);
    let said = format!(
        "{{\"vertexes\":[{{\"digest\":\"a\"}}],\"logs\":[{{\"vertex\":\"a\",\"stream\":2,\"data\":\
         \"{log}\",\"timestamp\":\"2026-11-21T23:10:30Z\"}}]}}\n"
    );
    let all = events(said.as_bytes(), 5000, &["a secret"], done());
    assert_eq!(written(&all, 1, 2), data);
    for event in &all {
        if let Event::Log(log) = event {
            assert!(log.data.len() <= MAX_BUILD_LOG_BYTES);
            assert_eq!(log.unix_nanos, 1_795_302_630_000_000_000);
        }
    }
}

fn base64(data: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(data)
}

#[test]
fn an_object_that_is_too_long_is_a_warning_and_the_error_behind_it_is_found() {
    let long = "x".repeat(5 << 20);
    let said = format!("{{\"vertexes\":[{{\"digest\":\"{long}\"}}]}}\nERROR: it failed\n");
    let all = events(said.as_bytes(), 60_000, &[], failed());
    assert_eq!(fault(&all).message, "it failed");
    let warnings = all.iter().filter(|event| matches!(event, Event::Warning(_))).count();
    assert_eq!(warnings, 1);
}

#[test]
fn what_is_no_status_is_words() {
    let said = "{\"vertexes\": 7}\nnot json\n{\"logs\":[{\"vertex\":\"a\",\"data\":\"!\"}]}\n{{{\nERROR: x\n";
    let all = events(said.as_bytes(), 3, &[], failed());
    assert_eq!(fault(&all).message, "x");
    assert!(steps(&all).is_empty());
}

#[test]
fn warnings_have_their_place() {
    let said = format!(
        "{{\"warnings\":[{{\"vertex\":\"a\",\"level\":1,\"short\":\"{}\",\"detail\":[\"{}\",\"{}\"],\"url\":\
         \"https://docs.test/x\",\"sourceInfo\":{{\"filename\":\"Dockerfile\",\"data\":\"RlJPTQ==\"}},\
         \"range\":[{{\"start\":{{\"line\":4}},\"end\":{{\"line\":5}}}}]}}]}}\n",
        base64(b"an old way"),
        base64(b"one"),
        base64(b"two"),
    );
    let all = events(said.as_bytes(), 100, &[], done());
    let Some(Event::Warning(warning)) = all.first() else { panic!("{all:?}") };
    assert_eq!((warning.step, warning.text.as_str(), warning.line), (1, "an old way", 4));
    assert_eq!(
        (warning.details.join(","), warning.file.as_str()),
        ("one,two".into(), "Dockerfile")
    );
}

#[test]
fn progress_is_told_at_its_turns_and_not_at_every_byte() {
    let mut said = String::new();
    let mut part = |current: u32, millis: u32, completed: &str| {
        let _ = writeln!(
            said,
            "{{\"statuses\":[{{\"id\":\"l\",\"vertex\":\"a\",\"total\":9000,\"current\":{current},\
             \"timestamp\":\"2026-11-21T23:10:0{}.{:03}Z\",\"started\":\"2026-11-21T23:10:00Z\"{completed}}}]}}",
            millis / 1000,
            millis % 1000,
        );
    };
    for step in 0..90 {
        part(step * 100, step * 10, "");
    }
    part(9000, 900, ",\"completed\":\"2026-11-21T23:10:01Z\"");
    part(9000, 950, ",\"completed\":\"2026-11-21T23:10:01Z\"");
    let all = events(said.as_bytes(), 100, &[], done());
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
    let told = |metadata: Vec<u8>| {
        let end = End { metadata: Some(metadata), ..done() };
        match decoded(&Translator::new(vec![b"hunter2".to_vec()]).finish(end)).pop() {
            Some(Event::Done(done)) => (done.digest, done.metadata),
            other => panic!("{other:?}"),
        }
    };
    let (digest, metadata) =
        told(b"{\"containerimage.digest\":\"sha256:0\",\"a\":\"hunter2\"}".to_vec());
    assert_eq!(digest, "sha256:0");
    assert_eq!(metadata, "{\"containerimage.digest\":\"sha256:0\",\"a\":\"***\"}");
    assert_eq!(told(vec![b' '; 1 << 20]), Default::default());
}

fn check(said: &[u8], end: End, message: &str) {
    let all = events(said, 100, &["hunter2"], end);
    assert_eq!(fault(&all).message, message);
}

#[test]
fn what_is_known_of_a_failure_comes_first() {
    let note = Some("the output `image` is full, hunter2".to_owned());
    let full = || End { full_disk: Some("kiln-out-0".to_owned()), note: note.clone(), ..failed() };
    check(b"ERROR: broken pipe", full(), "the output `image` is full, ***: broken pipe");
    assert_eq!(fault(&events(b"", 1, &[], full())).full_disk, "kiln-out-0");
    check(b"", full(), "the output `image` is full, ***");
    check(b"", failed(), "the engine's client did not say why it failed");
    check(b"{\n \"logs\": [", End::default(), "the engine's client was killed");
}

#[test]
fn what_stands_on_stdout_is_told_where_there_is_nothing_else() {
    let mut translator = Translator::new(Vec::new());
    assert!(translator.feed(1, b"{}\nan odd remark\n").is_empty());
    assert_eq!(fault(&decoded(&translator.finish(failed()))).message, "{}\nan odd remark");
}
