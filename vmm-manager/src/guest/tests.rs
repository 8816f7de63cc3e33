//! The client against agents of our own: honest ones, odd ones and hostile ones.

mod agent;
mod disks;
mod hostile;
mod online;
mod resumed;

use std::time::Duration;

use bytes::Bytes;
use kiln_proto::agent::{
    MAX_CHUNK_BYTES,
    v1::{ExecExited, ExecStarted, OutputChunk, exec_exited, exec_response::Event},
};
use tokio::time::timeout;
use tonic::Code;

use self::agent::{Finish, Greeting, Script, talk};
use super::*;

/// Far more than any case takes: only a hang meets it.
const PATIENCE: Duration = Duration::from_secs(30);
/// For those who wait in vain.
const SECRET: [u8; 32] = [7; 32];
const SHORT: Duration = Duration::from_millis(50);

fn hello() -> Hello {
    Hello { hostname: "guest".into(), secret: SECRET, network: None, limit: PATIENCE }
}

fn command() -> Command {
    Command { stdin: true, ..Command::new(vec!["true".into()], PATIENCE) }
}

fn started() -> Event {
    Event::Started(ExecStarted { pid: 7, stdin_offset: 0, stdin_closed: false })
}

/// What each event of a script is at, in the output.
fn placed(mut offset: u64, events: impl IntoIterator<Item = Event>) -> Vec<Event> {
    let place = |event| match event {
        Event::Stdout(chunk) | Event::Stderr(chunk) if chunk.offset == 0 => {
            let chunk = OutputChunk { offset, ..chunk };
            offset += chunk.data.len() as u64;
            Event::Stdout(chunk)
        }
        event => event,
    };
    events.into_iter().map(place).collect()
}

fn stdout(data: impl Into<Bytes>) -> Event {
    Event::Stdout(OutputChunk { offset: 0, data: data.into() })
}

fn exited() -> Event {
    let status = Some(exec_exited::Status::Code(3));
    Event::Exited(ExecExited { status, ..ExecExited::default() })
}

fn conversation(hello: Hello, command: Command) -> Conversation {
    Conversation {
        hello,
        unpack: None,
        command,
        stdin: Bytes::new(),
        pack: None,
        output_bytes: 1 << 20,
        limit: 2 * PATIENCE,
    }
}

/// The whole conversation with an agent that follows `script`, as one line.
async fn outcome(script: Script, command: Command, hello: Hello) -> String {
    let conversation = conversation(hello, command);
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
    let events =
        placed(0, [started(), stdout(vec![b'x'; MAX_CHUNK_BYTES]), stdout("oh"), exited()]);
    check(Script::saying(events), "Code(3) after 65538 bytes").await;
}

#[tokio::test]
async fn a_breach_of_the_order_ends_the_conversation() {
    check(Script::saying(vec![exited()]), "broke its protocol: an event of a command before").await;
    check(Script::saying(vec![started(), started()]), "started twice").await;
    check(Script::saying(vec![started()]), "ended without an exit").await;
    check(Script::saying(Vec::new()), "ended without an exit").await;
    let flood = vec![stdout(vec![0; MAX_CHUNK_BYTES]); 17];
    let events = placed(0, std::iter::once(started()).chain(flood));
    check(Script::saying(events), "more than 1048576 bytes of output").await;
    let oversized = stdout(vec![0; 300 * 1024]);
    check(Script::saying(vec![started(), oversized]), "broke its protocol: Error, decoded").await;
}

#[tokio::test]
async fn another_protocol_version_is_named_by_either_side() {
    let greeting = Greeting::Version(3);
    check(Script { greeting, ..Script::default() }, "this kilnd, which speaks 2: 3").await;
    let greeting = Greeting::Refused(Code::FailedPrecondition, "agent speaks 1, host speaks 2\n");
    let expected = "which speaks 2: agent speaks 1, host speaks 2";
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
    let finish = Finish::Fails(Code::Internal, "\u{1b}[31mred");
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
    let much = Bytes::from(vec![0; 5 * MAX_CHUNK_BYTES]);
    assert!(timeout(SHORT, input.stdin(much)).await.is_err(), "320 KiB went nowhere");
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
    let many = vec![stdout("x"); 50_000];
    let events = placed(0, std::iter::once(started()).chain(many).chain([exited()]));
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
