//! Commands that are taken up again, and guests that are not ours.

use kiln_proto::agent::v1::StdinTaken;

use super::*;

fn resumed(output_offset: u64) -> Command {
    Command { id: Some("work".into()), output_offset, ..command() }
}

#[tokio::test]
async fn a_command_is_taken_up_by_its_id_where_its_output_was() {
    let events = placed(70, [started(), stdout("on"), stdout("and on")]);
    let script = Script { events, finish: Finish::Listens, ..Script::default() };
    let (guest, mut heard) = greeted(script).await;
    let (input, mut output) = guest.exec(resumed(70)).await.unwrap();
    let begun = output.next().await.unwrap();
    assert_eq!(begun, ExecEvent::Started { pid: 7, stdin_offset: 0, stdin_closed: false });
    let mut safe = 70;
    for expected in ["on", "and on"] {
        let ExecEvent::Stdout(data) = output.next().await.unwrap() else { panic!("output") };
        assert_eq!(data, expected);
        safe += data.len() as u64;
        input.taken(safe);
        // What was said before is not taken back.
        input.taken(1);
    }
    input.resize(TerminalSize { rows: 24, columns: 80 }).await.unwrap();
    timeout(PATIENCE, async {
        // Both have gone before the end of stdin does, which ends the command.
        tokio::time::sleep(SHORT).await;
        input.close_stdin().await.unwrap();
        while !matches!(output.next().await.unwrap(), ExecEvent::Exited(_)) {}
    })
    .await
    .unwrap();
    let said = heard.all();
    assert!(said.starts_with("work from 70, "), "{said}");
    assert!(said.contains("taken 78") && said.contains("24 by 80"), "{said}");
    assert!(!said.contains("taken 1,"), "{said}");
}

#[tokio::test]
async fn an_output_with_a_hole_is_a_breach() {
    let events = placed(71, [started(), stdout("x")]);
    let script = Script { events, finish: Finish::Hangs, ..Script::default() };
    let said = outcome(script, resumed(70), hello()).await;
    assert!(said.contains("protocol: output at offset 71 where 70 was due"), "{said}");
}

#[tokio::test]
async fn no_more_is_taken_than_was_sent() {
    let taken = |offset| Event::StdinTaken(StdinTaken { offset });
    let script = |events| Script { events, finish: Finish::Hangs, ..Script::default() };
    let (guest, _heard) = greeted(script(vec![started(), taken(1)])).await;
    let (_input, mut output) = guest.exec(command()).await.unwrap();
    output.next().await.unwrap();
    let error = output.next().await.unwrap_err();
    assert!(error.to_string().contains("more stdin taken than was ever sent"), "{error}");
}

/// Each of these the lifecycle answers in its own way.
#[tokio::test]
async fn refusals_that_mean_something_are_told_apart() {
    for (code, expected) in [
        (Code::FailedPrecondition, AgentCode::FailedPrecondition),
        (Code::Aborted, AgentCode::Aborted),
        (Code::ResourceExhausted, AgentCode::ResourceExhausted),
        (Code::PermissionDenied, AgentCode::PermissionDenied),
    ] {
        let finish = Finish::Fails(code, "so it is");
        let (guest, _heard) = greeted(Script { finish, ..Script::default() }).await;
        let (_input, mut output) = guest.exec(resumed(70)).await.unwrap();
        let error = output.next().await.unwrap_err();
        assert!(
            matches!(&error, GuestError::Agent { phase: "exec", code, .. } if *code == expected),
            "{error:?}"
        );
    }
    let greeting = Greeting::Refused(Code::PermissionDenied, "another secret");
    let (stream, _heard) = talk(Script { greeting, ..Script::default() });
    let error = Connection::over(stream).await.unwrap().hello(hello()).await.unwrap_err();
    assert!(
        matches!(&error, GuestError::Agent { code: AgentCode::PermissionDenied, .. }),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_secret_is_never_shown() {
    let shown = format!("{:?}", Hello { secret: [0xab; 32], ..hello() });
    assert!(!shown.contains("171") && !shown.contains("ab"), "{shown}");
    assert_ne!(draw_secret().unwrap(), draw_secret().unwrap());
}
