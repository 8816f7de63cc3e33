//! Data both ways, at the pace of whoever is slower.

use bytes::Bytes;
use kiln_proto::agent::v1::StdinClosed;
use tonic::Code;

use super::{exec_request::Event as Request, *};

pub(super) fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|index| u8::try_from((index ^ index >> 9) & 0xff).unwrap_or(0)).collect()
}

async fn send_stdin(host: &Host, data: &[u8]) {
    for chunk in data.chunks(60_000) {
        host.send(exec_request::Event::Stdin(Bytes::copy_from_slice(chunk))).await;
    }
}

fn with_stdin(script: &str) -> ExecStart {
    ExecStart { stdin: true, ..shell(script) }
}

#[tokio::test]
async fn two_mebibytes_of_stdin_come_back_whole() {
    if !is_root() {
        return;
    }
    let data = pattern(2 * 1024 * 1024);
    let mut host = Host::start(with_stdin("cat"));
    let requests = host.requests.take();
    let sender = Host { requests, answers: mpsc::channel(1).1, began: host.began, is_named: false };
    let sent = data.clone();
    tokio::spawn(async move {
        send_stdin(&sender, &sent).await;
        sender.send(exec_request::Event::StdinClosed(StdinClosed {})).await;
    });
    let told = host.finish().await;
    assert_eq!(told.code(), 0);
    assert!(told.stdout == data, "{} bytes of {}", told.stdout.len(), data.len());
}

#[tokio::test]
async fn the_end_of_the_stream_is_the_end_of_stdin() {
    if !is_root() {
        return;
    }
    let mut host = Host::start(with_stdin("cat; echo end"));
    send_stdin(&host, b"abc").await;
    host.requests = None;
    assert_eq!(host.finish().await.stdout(), "abcend\n");
}

#[tokio::test]
async fn without_stdin_there_is_end_of_file_at_once() {
    if !is_root() {
        return;
    }
    assert_eq!(Host::start(shell("cat; echo end")).finish().await.stdout(), "end\n");
}

#[tokio::test]
async fn stdin_that_nobody_reads_ends_with_the_command() {
    if !is_root() {
        return;
    }
    let host = Host::start(with_stdin("exec <&-; echo closed"));
    send_stdin(&host, &pattern(300_000)).await;
    assert_eq!(host.finish().await.stdout(), "closed\n");
}

#[tokio::test]
async fn a_slow_host_slows_the_command_down_and_loses_nothing() {
    if !is_root() {
        return;
    }
    let length = 8 * 1024 * 1024;
    let script = format!("head -c {length} /dev/zero; echo done > /dev/stderr");
    let host = Host::start(shell(&script));
    // Whatever is in flight: the answers, a chunk in each hand and the pipe.
    let full = async {
        while host.answers.len() < host.answers.max_capacity() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), full).await.expect("the answers fill up");
    let told = host.finish().await;
    assert_eq!((told.stdout.len(), &*told.stderr), (length, &b"done\n"[..]));
}

#[tokio::test]
async fn a_flood_on_one_stream_lets_the_other_through() {
    if !is_root() {
        return;
    }
    let mut host = Host::start(shell("yes & echo quiet >&2; sleep 600"));
    for _ in 0..50 {
        if let Some(Event::Stderr(chunk)) = host.next().await {
            assert_eq!(&*chunk.data, b"quiet\n");
            return;
        }
    }
    panic!("fifty answers and none of the other stream");
}

async fn check_violation(start: ExecStart, event: Option<exec_request::Event>, message: &str) {
    let host = Host::start(start);
    host.requests.as_ref().unwrap().send(Ok(ExecRequest { event })).await.unwrap();
    let status = host.finish().await.end.unwrap().unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    assert!(status.message().contains(message), "{status:?}");
}

#[tokio::test]
async fn a_host_that_breaks_the_protocol_is_told_and_the_command_is_gone() {
    if !is_root() {
        return;
    }
    let run = || shell("sleep 600");
    let stdin = Request::Stdin(Bytes::from_static(b"x"));
    check_violation(run(), Some(stdin), "without stdin").await;
    check_violation(run(), Some(Request::Start(run())), "once").await;
    check_violation(run(), None, "without an event").await;
    for number in [0, -1, 65, i32::MAX] {
        let signal = kiln_proto::agent::v1::Signal { number };
        check_violation(run(), Some(Request::Signal(signal)), "there is no signal").await;
    }
}
