//! Several commands at once.

use kiln_proto::agent::v1::{Kill, Terminal, TerminalSize};

use super::{exec_request::Event as Request, *};

#[tokio::test]
async fn killing_one_touches_no_other() {
    if !is_root() {
        return;
    }
    let engine = engine(Sessions::new().unwrap());
    let job = ExecStart {
        id: "job".to_owned(),
        ..shell("sleep 0.1 & echo up; sleep 0.7; wait; echo done; exit 4")
    };
    let mut job = Host::start_on(&engine, job);
    while !matches!(job.next().await, Some(Event::Stdout(_))) {}
    let terminal = Terminal { size: Some(TerminalSize { rows: 24, columns: 80 }) };
    let shell = |id: &str| ExecStart {
        id: id.to_owned(),
        stdin: true,
        terminal: Some(terminal),
        ..shell("sleep 600 & sleep 600")
    };
    let shells: Vec<Host> =
        ["", "", "one", "two"].map(|id| Host::start_on(&engine, shell(id))).into();
    for (number, mut shell) in shells.into_iter().enumerate() {
        assert!(matches!(shell.next().await, Some(Event::Started(_))));
        // Lost, or killed.
        if number % 2 == 0 {
            drop(shell);
        } else {
            shell.send(Request::Kill(Kill {})).await;
            assert_eq!(shell.finish().await.signal(), libc::SIGKILL);
        }
    }
    let short = ExecStart { timeout_millis: 50, ..super::shell("sleep 600") };
    assert!(Host::start_on(&engine, short).finish().await.exited().timed_out);
    let told = job.finish().await;
    assert_eq!((told.code(), told.stdout()), (4, "done\n"));
}

#[tokio::test]
async fn all_are_killed_together() {
    if !is_root() {
        return;
    }
    let engine = engine(Sessions::new().unwrap());
    let mut hosts = Vec::new();
    for id in ["", "", "a", "b"] {
        let start = ExecStart { id: id.to_owned(), ..shell("sleep 600 & sleep 600") };
        let mut host = Host::start_on(&engine, start);
        assert!(matches!(host.next().await, Some(Event::Started(_))));
        hosts.push(host);
    }
    engine.kill_all();
    for host in hosts {
        assert_eq!(host.finish().await.signal(), libc::SIGKILL);
    }
}

#[tokio::test]
async fn no_more_run_than_there_is_room_for() {
    if !is_root() {
        return;
    }
    let engine = engine(Sessions::new().unwrap());
    let mut hosts = Vec::new();
    for _ in 0..64 {
        let mut host = Host::start_on(&engine, command(&["sleep", "600"]));
        assert!(matches!(host.next().await, Some(Event::Started(_))));
        hosts.push(host);
    }
    let refused = Host::start_on(&engine, command(&["true"])).finish().await.end.unwrap();
    assert_eq!(refused.unwrap_err().code(), tonic::Code::ResourceExhausted);
    let host = hosts.pop().unwrap();
    host.send(Request::Kill(Kill {})).await;
    host.finish().await;
    let began = Instant::now();
    // The place is free as soon as its command is forgotten.
    while Host::start_on(&engine, command(&["true"])).finish().await.end.unwrap().is_err() {
        assert!(began.elapsed() < LIMIT);
    }
}
