//! The client against agents of our own: honest ones, odd ones and hostile ones.

mod agent;
mod hostile;

use std::time::Duration;

use bytes::Bytes;
use kiln_proto::agent::{
    MAX_CHUNK_BYTES,
    v1::{ExecExited, ExecStarted, exec_exited, exec_response::Event},
};
use tokio::time::timeout;

use self::agent::{Finish, Greeting, Script, talk};
use super::*;

/// Far more than any case takes: only a hang meets it.
const PATIENCE: Duration = Duration::from_secs(30);
/// For those who wait in vain.
const SHORT: Duration = Duration::from_millis(50);

fn hello() -> Hello {
    Hello { hostname: "guest".into(), limit: PATIENCE }
}

fn command() -> Command {
    Command {
        argv: vec!["true".into()],
        env: Vec::new(),
        workdir: String::new(),
        user: String::new(),
        stdin: true,
        memory_bytes: 0,
        pids: 0,
        timeout: None,
        start_limit: PATIENCE,
    }
}

fn started() -> Event {
    Event::Started(ExecStarted { pid: 7 })
}

fn exited() -> Event {
    let status = Some(exec_exited::Status::Code(3));
    Event::Exited(ExecExited { status, ..ExecExited::default() })
}

/// The whole conversation with an agent that follows `script`, as one line.
async fn outcome(script: Script, command: Command, hello: Hello) -> String {
    let conversation = Conversation { hello, command, output_bytes: 1 << 20, limit: 2 * PATIENCE };
    match converse(talk(script).0, conversation).await {
        Ok(Transcript { output_bytes, end: End::Exited(exit), .. }) => {
            format!("{:?} after {output_bytes} bytes", exit.status)
        }
        Ok(Transcript { end: End::Refused { reason, message }, .. }) => {
            format!("refused for {reason:?}: {message}")
        }
        Err(error) => format!("{error}"),
    }
}

async fn check(script: Script, expected: &str) {
    let said = outcome(script, command(), hello()).await;
    assert!(said.contains(expected), "{said}");
}

#[tokio::test]
async fn a_command_runs_from_the_greeting_to_its_exit() {
    let chunk = Event::Stdout(vec![b'x'; MAX_CHUNK_BYTES].into());
    let events = vec![started(), chunk, Event::Stderr("oh".into()), exited()];
    check(Script::saying(events), "Code(3) after 65538 bytes").await;
}

#[tokio::test]
async fn a_breach_of_the_order_ends_the_conversation() {
    check(Script::saying(vec![exited()]), "broke its protocol: an event of a command before").await;
    check(Script::saying(vec![started(), started()]), "started twice").await;
    check(Script::saying(vec![started()]), "ended without an exit").await;
    check(Script::saying(Vec::new()), "ended without an exit").await;
    let flood = vec![Event::Stdout(vec![0; MAX_CHUNK_BYTES].into()); 17];
    let events = std::iter::once(started()).chain(flood).collect();
    check(Script::saying(events), "more than 1048576 bytes of output").await;
    let oversized = Event::Stdout(vec![0; 300 * 1024].into());
    check(Script::saying(vec![started(), oversized]), "answered exec with").await;
}

#[tokio::test]
async fn another_protocol_version_is_named_by_either_side() {
    let greeting = Greeting::Version(2);
    check(Script { greeting, ..Script::default() }, "this kilnd, which speaks 1: 2").await;
    let greeting = Greeting::Refused("agent speaks 2, host speaks 1\n");
    let expected = "which speaks 1: agent speaks 2, host speaks 1";
    check(Script { greeting, ..Script::default() }, expected).await;
}

#[tokio::test]
async fn silence_is_named_with_its_phase() {
    let silent = Script { greeting: Greeting::Silent, ..Script::default() };
    let said = outcome(silent, command(), Hello { limit: SHORT, ..hello() }).await;
    assert!(said.contains("no answer to the greeting within 50ms"), "{said}");
    for events in [None, Some(Vec::new())] {
        let script = match events {
            None => Script { finish: Finish::NoHeaders, ..Script::default() },
            Some(events) => Script { events, finish: Finish::Hangs, ..Script::default() },
        };
        let said = outcome(script, Command { start_limit: SHORT, ..command() }, hello()).await;
        assert!(said.contains("no answer to exec within 50ms"), "{said}");
    }
}

#[tokio::test]
async fn an_agents_own_error_is_passed_on_without_its_escapes() {
    let finish = Finish::Fails("\u{1b}[31mred");
    let script = Script { events: vec![started()], finish, ..Script::default() };
    check(script, "answered exec with").await;
    let script = Script { events: vec![started()], finish, ..Script::default() };
    check(script, "\u{fffd}[31mred").await;
}

#[tokio::test]
async fn a_lost_connection_is_a_lost_guest() {
    let script = Script { events: vec![started()], finish: Finish::Dies, ..Script::default() };
    check(script, "the connection to the guest was lost during exec").await;
}

async fn greeted(script: Script) -> (Guest, agent::Heard) {
    let (stream, heard) = talk(script);
    let (guest, _) = Connection::over(stream).await.unwrap().hello(hello()).await.unwrap();
    (guest, heard)
}

#[tokio::test]
async fn nothing_follows_the_loss_of_a_connection() {
    let script = Script { events: vec![started()], finish: Finish::Dies, ..Script::default() };
    let (guest, _) = greeted(script).await;
    let (_input, mut output) = guest.exec(command()).await.unwrap();
    while output.next().await.is_ok() {}
    assert!(matches!(output.next().await, Err(GuestError::Lost { .. })));
    assert!(matches!(guest.exec(command()).await, Err(GuestError::Lost { .. })));
    guest.shut_down(PATIENCE).await.unwrap();
}

#[tokio::test]
async fn stdin_arrives_whole_in_chunks_and_signals_overtake_it() {
    let script = Script { events: vec![started()], finish: Finish::Listens, ..Script::default() };
    let (guest, mut heard) = greeted(script).await;
    let (input, mut output) = guest.exec(command()).await.unwrap();
    let bytes = Bytes::from(vec![b'x'; 10 * MAX_CHUNK_BYTES + 1]);
    let feed = async {
        input.signal(2).await.unwrap();
        input.stdin(bytes).await.unwrap();
        input.close_stdin().await.unwrap();
    };
    let drain = async { while !matches!(output.next().await.unwrap(), ExecEvent::Exited(_)) {} };
    timeout(PATIENCE, async { tokio::join!(feed, drain) }).await.unwrap();
    assert_eq!(heard.all(), "signal 2, 655361 bytes of stdin in 11 chunks, end of stdin");
    assert!(matches!(output.next().await, Err(GuestError::Lost { .. })), "it is over");
}

#[tokio::test]
async fn stdin_waits_for_a_guest_that_does_not_read() {
    let script = Script { events: vec![started()], finish: Finish::Hangs, ..Script::default() };
    let (guest, _heard) = greeted(script).await;
    let (input, _output) = guest.exec(command()).await.unwrap();
    let much = Bytes::from(vec![0; 8 << 20]);
    assert!(timeout(SHORT, input.stdin(much)).await.is_err(), "8 MiB went nowhere");
    assert!(timeout(PATIENCE, input.kill()).await.is_ok(), "and a kill does not queue behind it");
}

#[tokio::test]
async fn an_output_that_is_dropped_resets_its_command() {
    let script = Script { events: vec![started()], finish: Finish::Listens, ..Script::default() };
    let (guest, heard) = greeted(script).await;
    let (input, output) = guest.exec(command()).await.unwrap();
    drop(output);
    timeout(PATIENCE, heard.reset()).await.unwrap();
    assert!(matches!(input.kill().await, Ok(()) | Err(GuestError::Lost { .. })));
}

#[tokio::test]
async fn a_slow_reader_holds_a_command_of_small_writes_up_and_loses_nothing() {
    let many = vec![Event::Stdout("x".into()); 50_000];
    let events = std::iter::once(started()).chain(many).chain([exited()]).collect();
    let (guest, _heard) = greeted(Script::saying(events)).await;
    let (_input, mut output) = guest.exec(command()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    let mut bytes = 0;
    loop {
        match output.next().await.unwrap() {
            ExecEvent::Stdout(chunk) => bytes += chunk.len(),
            ExecEvent::Exited(_) => break,
            _ => {}
        }
    }
    assert_eq!(bytes, 50_000);
}
