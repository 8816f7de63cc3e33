use tokio::io::duplex;

use super::*;

/// What `answer` (then end of file) makes of a call: `""` for accepted, `retry`, or the complaint.
async fn check(answer: &[u8], expected: &str) {
    let (mut ours, mut bridge) = duplex(256);
    bridge.write_all(answer).await.unwrap();
    bridge.shutdown().await.unwrap();
    let outcome = match handshake(&mut ours).await {
        Ok(()) => String::new(),
        Err(DialError::Io(error)) if heals(&error) => "retry".to_owned(),
        Err(DialError::Io(error)) => error.to_string(),
        Err(DialError::Answer(what)) => what,
    };
    assert!(
        outcome == expected || (!expected.is_empty() && outcome.contains(expected)),
        "{answer:?}: {outcome:?}"
    );
    let mut called = vec![0; 13];
    bridge.read_exact(&mut called).await.unwrap();
    assert_eq!(called, b"CONNECT 1024\n");
}

#[tokio::test]
async fn a_bridge_accepts_with_one_line() {
    check(b"OK 1\n", "").await;
    check(b"OK 4294967295\n", "").await;
}

#[tokio::test]
async fn a_guest_that_does_not_listen_is_tried_again() {
    check(b"", "retry").await;
    check(b"OK", "retry").await;
    check(b"OK 10", "retry").await;
}

#[tokio::test]
async fn anything_else_is_no_bridge() {
    check(b"\n", "answer to CONNECT").await;
    check(b"OK\n", "answer to CONNECT").await;
    check(b"OK \n", "answer to CONNECT").await;
    check(b"OK +1\n", "answer to CONNECT").await;
    check(b"OK 1 2\n", "answer to CONNECT").await;
    check(b"OK 4294967296\n", "answer to CONNECT").await;
    check(b"ok 1\n", "answer to CONNECT").await;
    check(b"OK \xff\n", "answer to CONNECT").await;
    check(&[b'O'; 64], "endless").await;
}

#[tokio::test]
async fn nothing_after_the_line_is_taken() {
    let (mut ours, mut bridge) = duplex(256);
    bridge.write_all(b"OK 7\nPRI").await.unwrap();
    handshake(&mut ours).await.unwrap();
    let mut rest = [0; 3];
    ours.read_exact(&mut rest).await.unwrap();
    assert_eq!(&rest, b"PRI");
}
