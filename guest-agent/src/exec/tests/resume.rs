//! Commands that outlive their streams.

use kiln_proto::agent::{OUTPUT_WINDOW_BYTES, v1::StdinClosed};
use tonic::Code;

use super::{exec_request::Event as Request, streams::pattern, *};

fn named(id: &str, script: &str) -> ExecStart {
    ExecStart { id: id.to_owned(), stdin: true, ..shell(script) }
}

fn from(offset: u64, start: &ExecStart) -> ExecStart {
    ExecStart { output_offset: offset, ..start.clone() }
}

fn new_engine() -> Engine {
    engine(Sessions::new().unwrap())
}

/// What a stream that must fail says.
async fn failure(engine: &Engine, start: ExecStart) -> Status {
    Host::start_on(engine, start).finish().await.end.unwrap().unwrap_err()
}

#[tokio::test]
async fn output_goes_on_from_every_offset_that_is_kept() {
    if !is_root() {
        return;
    }
    let engine = new_engine();
    let start = named("a", "printf 0123456789; sleep 0.1; printf abc >&2; exec sleep 600");
    let mut host = Host::start_on(&engine, start.clone());
    let mut told = 0;
    while told < 13 {
        match host.next().await {
            Some(Event::Stdout(chunk) | Event::Stderr(chunk)) => told += chunk.data.len(),
            other => assert!(matches!(other, Some(Event::Started(_))), "{other:?}"),
        }
    }
    drop(host);
    for offset in 0..=13_u64 {
        let mut host = Host::start_on(&engine, from(offset, &start));
        assert!(matches!(host.next().await, Some(Event::Started(_))));
        let mut all = Vec::new();
        while offset + (all.len() as u64) < 13 {
            match host.next().await {
                Some(Event::Stdout(chunk) | Event::Stderr(chunk)) => {
                    assert_eq!(chunk.offset, offset + all.len() as u64);
                    all.extend_from_slice(&chunk.data);
                }
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(all, b"0123456789abc"[usize::try_from(offset).unwrap()..]);
    }
    let beyond = failure(&engine, from(14, &start)).await;
    assert_eq!(beyond.code(), Code::FailedPrecondition);
    assert!(beyond.message().contains("up to 13 only"), "{beyond:?}");

    // What was taken is forgotten, and what was not is kept.
    let mut host = Host::start_on(&engine, start.clone());
    while !matches!(host.next().await, Some(Event::Stdout(_))) {}
    host.take(4).await;
    host.send(Request::StdinClosed(StdinClosed {})).await;
    // Handled after what was sent before it.
    let mut host = Host::start_on(&engine, from(5, &start));
    loop {
        match host.next().await {
            Some(Event::Started(started)) if started.stdin_closed => break,
            Some(Event::Started(_)) => host = Host::start_on(&engine, from(5, &start)),
            other => panic!("{other:?}"),
        }
    }
    let forgotten = failure(&engine, from(3, &start)).await;
    assert_eq!(forgotten.code(), Code::FailedPrecondition);
    assert!(forgotten.message().contains("before 4"), "{forgotten:?}");
    let host = Host::start_on(&engine, from(4, &start));
    host.send(Request::Kill(kiln_proto::agent::v1::Kill {})).await;
    let told = host.finish().await;
    assert_eq!((told.stdout(), told.signal()), ("456789", libc::SIGKILL));
}

#[tokio::test]
async fn a_command_that_is_blocked_waits_for_its_host_and_loses_nothing() {
    if !is_root() {
        return;
    }
    let engine = new_engine();
    let length: u64 = 4 << 20;
    let start = named("flood", &format!("head -c {length} /dev/zero; exit 5"));
    let mut host = Host::start_on(&engine, start.clone());
    // Nothing is taken: no more than the window comes, and then nothing.
    let mut told = 0;
    while told < OUTPUT_WINDOW_BYTES {
        if let Some(Event::Stdout(chunk)) = host.next().await {
            told += chunk.data.len() as u64;
        }
    }
    assert_eq!(told, OUTPUT_WINDOW_BYTES);
    let more = tokio::time::timeout(Duration::from_millis(200), host.answers.recv()).await;
    assert!(more.is_err(), "{more:?}");
    drop(host);
    let told = Host::start_on(&engine, from(1000, &start)).finish().await;
    assert_eq!((told.offsets, told.code()), (Some((1000, length)), 5));
}

#[tokio::test]
async fn the_end_is_kept_for_whoever_asks() {
    if !is_root() {
        return;
    }
    let engine = new_engine();
    let start = named("end", "echo out; exit 3");
    let mut host = Host::start_on(&engine, start.clone());
    let first = host.next().await;
    drop(host);
    for _ in 0..3 {
        let mut host = Host::start_on(&engine, start.clone());
        // With the same pid as ever.
        assert_eq!(host.next().await, first);
        let mut host = Host::start_on(&engine, start.clone());
        while !matches!(host.next().await, Some(Event::Exited(_))) {}
    }
    let told = Host::start_on(&engine, start.clone()).finish().await;
    assert_eq!((told.code(), told.stdout()), (3, "out\n"));
}

#[tokio::test]
async fn a_refusal_is_kept_too() {
    if !is_root() {
        return;
    }
    let engine = new_engine();
    let start = ExecStart { id: "no".to_owned(), ..command(&["no-such-program"]) };
    let first = Host::start_on(&engine, start.clone()).finish().await.end.unwrap().unwrap();
    assert!(matches!(first.event, Some(Event::Refused(_))), "{first:?}");
    let second = Host::start_on(&engine, start.clone()).finish().await.end.unwrap().unwrap();
    assert_eq!(first, second);
    let other = failure(&engine, ExecStart { id: start.id, ..command(&["true"]) }).await;
    assert_eq!(other.code(), Code::InvalidArgument);
}

#[tokio::test]
async fn a_second_stream_ends_the_first() {
    if !is_root() {
        return;
    }
    let engine = new_engine();
    let start = named("two", "echo up; exec sleep 600");
    let mut first = Host::start_on(&engine, start.clone());
    while !matches!(first.next().await, Some(Event::Stdout(_))) {}
    let mut second = Host::start_on(&engine, start.clone());
    while !matches!(second.next().await, Some(Event::Stdout(_))) {}
    assert_eq!(first.finish().await.end.unwrap().unwrap_err().code(), Code::Aborted);
    // A stream that is refused ends nobody.
    let refused = failure(&engine, from(99, &start)).await;
    assert_eq!(refused.code(), Code::FailedPrecondition);
    second.send(Request::Kill(kiln_proto::agent::v1::Kill {})).await;
    assert_eq!(second.finish().await.signal(), libc::SIGKILL);
}

#[tokio::test]
async fn of_two_starts_that_race_one_starts_it() {
    if !is_root() {
        return;
    }
    let engine = new_engine();
    let directory = tempfile::tempdir().unwrap();
    for race in 0..20 {
        let file = directory.path().join(race.to_string());
        let id = format!("race-{}", race % 10);
        let start = named(&id, &format!("echo once >> {}", file.display()));
        let engine = if race == 10 { new_engine() } else { engine.clone() };
        let hosts = [(); 4].map(|()| Host::start_on(&engine, start.clone()));
        let mut ended = 0;
        for host in hosts {
            match host.finish().await.end.unwrap() {
                Ok(_) => ended += 1,
                Err(status) if race <= 10 => assert_eq!(status.code(), Code::Aborted),
                // The same id with another script.
                Err(status) => assert_eq!(status.code(), Code::InvalidArgument),
            }
        }
        if race <= 10 {
            assert!(ended >= 1);
            assert_eq!(std::fs::read_to_string(&file).unwrap(), "once\n");
        } else {
            assert!(ended == 0 && !file.exists());
        }
    }
}

#[tokio::test]
async fn stdin_that_was_taken_arrives_though_its_stream_dies() {
    if !is_root() {
        return;
    }
    let engine = new_engine();
    // It reads only when it is told to.
    let start = named("in", "sleep 0.3; exec cat");
    let data = pattern(500_000);
    let mut taken = 0;
    let mut output = Vec::new();
    for _ in 0..200 {
        let mut host = Host::start_on(&engine, from(output.len() as u64, &start));
        let Some(Event::Started(started)) = host.next().await else { panic!("no start") };
        assert!(started.stdin_offset >= taken, "{} after {taken}", started.stdin_offset);
        taken = started.stdin_offset;
        let rest = &data[usize::try_from(taken).unwrap()..];
        if rest.is_empty() {
            host.send(Request::StdinClosed(StdinClosed {})).await;
            let told = host.finish().await;
            output.extend_from_slice(&told.stdout);
            assert!(output == data, "{} bytes of {}", output.len(), data.len());
            return;
        }
        // Some of it, and then the stream is gone in the middle of everything.
        for chunk in rest.chunks(7000).take(30) {
            let event = Request::Stdin(bytes::Bytes::copy_from_slice(chunk));
            if tokio::time::timeout(Duration::from_millis(20), host.send(event)).await.is_err() {
                break;
            }
        }
        while let Ok(Some(answer)) =
            tokio::time::timeout(Duration::from_millis(5), host.answers.recv()).await
        {
            match answer.unwrap().event {
                Some(Event::Stdout(chunk)) => {
                    output.extend_from_slice(&chunk.data);
                    let taken = Request::Taken(OutputTaken { offset: output.len() as u64 });
                    let _ = tokio::time::timeout(Duration::from_millis(20), host.send(taken)).await;
                }
                Some(Event::StdinTaken(told)) => {
                    assert!(told.offset > taken);
                    taken = told.offset;
                }
                other => panic!("{other:?}"),
            }
        }
    }
    panic!("{} bytes of {} came back", output.len(), data.len());
}

#[tokio::test]
async fn stdin_is_told_of_in_steps_and_to_its_last_byte() {
    if !is_root() {
        return;
    }
    let engine = new_engine();
    let mut host = Host::start_on(&engine, named("acks", "exec cat > /dev/null"));
    for _ in 0..500 {
        host.send(Request::Stdin(bytes::Bytes::from_static(b"x"))).await;
    }
    let mut acks = 0;
    loop {
        match host.next().await {
            Some(Event::StdinTaken(taken)) => {
                acks += 1;
                if taken.offset == 500 {
                    break;
                }
            }
            other => assert!(matches!(other, Some(Event::Started(_))), "{other:?}"),
        }
    }
    assert!(acks < 50, "{acks} for 500 bytes");
}

#[tokio::test]
async fn what_is_said_beside_stdin_waits_behind_none_of_it() {
    if !is_root() {
        return;
    }
    let engine = new_engine();
    let host = Host::start_on(&engine, named("deaf", "exec sleep 600"));
    let window = usize::try_from(kiln_proto::agent::STDIN_WINDOW_BYTES).unwrap();
    // As much as a host may have on its way, and twice what the pipe holds.
    for chunk in pattern(2 * window).chunks(60_000) {
        host.send(Request::Stdin(bytes::Bytes::copy_from_slice(chunk))).await;
    }
    host.send(Request::Kill(kiln_proto::agent::v1::Kill {})).await;
    assert_eq!(host.finish().await.signal(), libc::SIGKILL);
}

#[tokio::test]
async fn the_time_limit_counts_while_nobody_listens() {
    if !is_root() {
        return;
    }
    let engine = new_engine();
    let start = ExecStart { timeout_millis: 300, ..named("late", "sleep 600 & sleep 600") };
    let mut host = Host::start_on(&engine, start.clone());
    assert!(matches!(host.next().await, Some(Event::Started(_))));
    drop(host);
    let told = Host::start_on(&engine, start).finish().await;
    assert!(told.exited().timed_out);
    assert!(told.exited().duration_nanos < 10_000_000_000);
}

#[tokio::test]
async fn nothing_else_is_taken_for_a_start() {
    if !is_root() {
        return;
    }
    let engine = new_engine();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    let script = format!("touch {}", file.display());
    let check = async |start, code| assert_eq!(failure(&engine, start).await.code(), code);
    check(from(1, &named("never", &script)), Code::FailedPrecondition).await;
    check(from(1, &shell(&script)), Code::FailedPrecondition).await;
    check(named(&"x".repeat(65), &script), Code::InvalidArgument).await;
    check(named("a/b", &script), Code::InvalidArgument).await;
    assert!(!file.exists());

    let start = named("same", "exec sleep 600");
    let mut host = Host::start_on(&engine, start.clone());
    assert!(matches!(host.next().await, Some(Event::Started(_))));
    let argv = vec!["true".to_owned()];
    check(ExecStart { argv, ..start.clone() }, Code::InvalidArgument).await;
    check(ExecStart { pids: 7, ..start.clone() }, Code::InvalidArgument).await;
    check(ExecStart { stdin: false, ..start.clone() }, Code::InvalidArgument).await;

    for number in 1..16 {
        let told = Host::start_on(&engine, named(&format!("n{number}"), "true")).finish().await;
        assert_eq!(told.code(), 0);
    }
    check(named("n16", &script), Code::ResourceExhausted).await;
    assert!(!file.exists());
    // One without an id has a place yet.
    assert_eq!(Host::start_on(&engine, shell("true")).finish().await.code(), 0);
}

#[tokio::test]
async fn a_host_that_breaks_the_protocol_loses_its_stream_and_not_its_command() {
    if !is_root() {
        return;
    }
    let engine = new_engine();
    let start = named("rude", "read line; echo $line");
    for (number, event) in [
        Request::Taken(OutputTaken { offset: 1 }),
        Request::Resize(kiln_proto::agent::v1::TerminalSize { rows: 1, columns: 1 }),
        Request::Start(start.clone()),
    ]
    .into_iter()
    .enumerate()
    {
        let mut host = Host::start_on(&engine, start.clone());
        assert!(matches!(host.next().await, Some(Event::Started(_))), "{number}");
        host.send(event).await;
        let status = host.finish().await.end.unwrap().unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
    }
    let host = Host::start_on(&engine, start);
    host.send(Request::Stdin(bytes::Bytes::from_static(b"still here\n"))).await;
    assert_eq!(host.finish().await.stdout(), "still here\n");
}
