//! What a real client said.

use kiln_proto::agent::v1::build_event::Event;

use super::{done, events, failed, fault, steps, written};

const TWO: &[u8] = include_bytes!("said/two.reports");
const EXIT: &[u8] = include_bytes!("said/exit3.reports");
const COPY: &[u8] = include_bytes!("said/badcopy.reports");
const SECRET: &[u8] = include_bytes!("said/secret.reports");

#[test]
fn a_build_that_succeeds() {
    let all = events(TWO, usize::MAX, &[], done());
    let steps = steps(&all);
    let names: Vec<&str> = steps.iter().map(|step| step.name.as_str()).collect();
    let runs: Vec<&&str> = names.iter().filter(|name| name.contains("RUN")).collect();
    assert_eq!(
        runs,
        [&"[3/3] RUN echo two > /two && cat /two", &"[2/3] RUN echo one; echo err >&2"]
    );
    let numbers: Vec<usize> = steps.iter().map(|step| step.number as usize).collect();
    assert_eq!(numbers, (1..=steps.len()).collect::<Vec<_>>());
    for step in &steps {
        assert!(step.started_unix_nanos > 0, "{step:?}");
        assert!(step.completed_unix_nanos >= step.started_unix_nanos, "{step:?}");
        assert!(step.digest.starts_with("sha256:") && step.error.is_empty());
    }
    let of = |name: &str| steps.iter().find(|step| step.name.contains(name)).unwrap();
    assert_eq!(of("[3/3]").inputs, [of("[2/3]").number]);
    assert_eq!(written(&all, of("[2/3]").number, 1), b"one\n");
    assert_eq!(written(&all, of("[2/3]").number, 2), b"err\n");
    assert_eq!(written(&all, of("[3/3]").number, 1), b"two\n");
    let Some(Event::Done(_)) = all.last() else { panic!("it is done") };
    let summary = all.iter().position(|event| matches!(event, Event::Summary(_))).unwrap();
    assert_eq!(all.len() - summary - 2, steps.len(), "all steps come once more behind the summary");
    assert!(all[..summary].windows(2).all(|pair| pair[0] != pair[1]), "only changes are told");
}

#[test]
fn however_it_is_cut_it_says_the_same() {
    for said in [TWO, EXIT, COPY, SECRET] {
        let whole = events(said, usize::MAX, &[], failed());
        for size in [1, 7, 100, 4096] {
            assert_eq!(events(said, size, &[], failed()), whole, "in pieces of {size}");
        }
    }
}

#[test]
fn what_a_step_wrote_comes_before_its_end() {
    let all = events(EXIT, usize::MAX, &[], failed());
    let run = fault(&all).step;
    let log = all.iter().rposition(|event| matches!(event, Event::Log(log) if log.step == run));
    let end = all.iter().position(
        |event| matches!(event, Event::Step(step) if step.number == run && !step.error.is_empty()),
    );
    assert!(log.unwrap() < end.unwrap());
}

fn check(said: &[u8], step: &str, place: (&str, u32, u32), message: &str) {
    let all = events(said, 1000, &[], failed());
    let error = fault(&all);
    assert_eq!(error.message, message);
    assert_eq!((error.file.as_str(), error.first_line, error.last_line), place);
    assert_eq!(error.excerpt.is_empty(), place.1 == 0);
    let name = steps(&all).into_iter().find(|one| one.number == error.step).map(|one| one.name);
    assert_eq!(name.unwrap_or_default(), step);
}

#[test]
fn builds_that_fail() {
    check(
        EXIT,
        "[2/2] RUN echo before; echo bad >&2; exit 3",
        ("Dockerfile", 2, 2),
        "failed to solve: process \"/bin/sh -c echo before; echo bad >&2; exit 3\" did not complete \
         successfully: exit code: 3",
    );
    check(
        COPY,
        "[2/2] COPY missing.txt /x",
        ("Dockerfile", 2, 2),
        "failed to solve: failed to compute cache key: failed to calculate checksum of ref \
         uh2rwby8z0kfucxldxh7ubt0g::fvkb86sgq89sbjnqdts8w2tu8: \"/missing.txt\": not found",
    );
    check(
        include_bytes!("said/syntax.reports"),
        "",
        ("Dockerfile", 3, 3),
        "failed to solve: dockerfile parse error on line 3: unknown instruction: COPPY (did you mean \
         COPY?)",
    );
    check(
        include_bytes!("said/syntax3.reports"),
        "",
        ("Dockerfile", 2, 3),
        "failed to solve: unterminated heredoc",
    );
    check(
        include_bytes!("said/notfound.reports"),
        "[internal] load metadata for registry.test:5443/team/nope:1",
        ("Dockerfile", 1, 1),
        "failed to solve: registry.test:5443/team/nope:1: failed to resolve source metadata for \
         registry.test:5443/team/nope:1: registry.test:5443/team/nope:1: not found",
    );
    check(
        include_bytes!("said/none.reports"),
        "",
        ("", 0, 0),
        "failed to solve: failed to read dockerfile: open Dockerfile: no such file or directory",
    );
    check(
        include_bytes!("said/badtag.reports"),
        "",
        ("", 0, 0),
        "invalid tag \"Foo Bar\": invalid reference format",
    );
    check(
        SECRET,
        "[stage-0 2/2] RUN --mount=type=secret,id=tok,required=true cat /run/secrets/tok",
        ("Dockerfile", 2, 2),
        "failed to solve: secret tok: not found",
    );
}
