//! Agents that speak HTTP/2 by hand, to do harm.

use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

use super::*;

const SETTINGS: u8 = 4;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut frame = u32::try_from(payload.len()).unwrap().to_be_bytes()[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// What the client makes of an agent that sends settings, then `attack` over and over.
async fn outcome(attack: Vec<u8>, limit: Duration) -> GuestError {
    let (ours, mut theirs) = duplex(64 * 1024);
    tokio::spawn(async move {
        let _ = theirs.write_all(&frame(SETTINGS, 0, 0, &[])).await;
        let (mut from_host, mut to_host) = tokio::io::split(theirs);
        tokio::spawn(async move {
            let mut sink = vec![0; 4096];
            while from_host.read(&mut sink).await.is_ok_and(|length| length > 0) {}
        });
        while !attack.is_empty() && to_host.write_all(&attack).await.is_ok() {}
        std::future::pending::<()>().await;
    });
    let conversation = conversation(Hello { limit, ..hello() }, command());
    converse(ours, conversation).await.unwrap_err()
}

/// `expected` is the guard's own complaint. Where it is empty the HTTP/2 library may be the first
/// to refuse, which before our first request is seen as a loss.
async fn check(attack: Vec<u8>, expected: &str) {
    let error = outcome(attack, PATIENCE).await;
    let refused = match &error {
        GuestError::Protocol { what } => what.contains(expected),
        GuestError::Lost { .. } => expected.is_empty(),
        _ => false,
    };
    assert!(refused, "{error:?}");
}

#[tokio::test]
async fn floods_of_frames_are_breaches() {
    const CLOSE_STREAM: u8 = 1;
    const HEADERS_END: u8 = 4;
    check(frame(SETTINGS, 0, 0, &[]), "flood").await;
    check(frame(8, 0, 0, &[0, 0, 0, 1]), "").await;
    // `:status 103` as a literal that is never indexed: an answer before the answer.
    let early_hints = [0x18, 0x03, b'1', b'0', b'3'];
    check(frame(1, HEADERS_END, 1, &early_hints), "").await;
    check(frame(1, 0, 1, &[0x88]), "").await;
    check(frame(0, CLOSE_STREAM, 1, &[]), "").await;
    check(frame(3, 0, 99, &[0; 4]), "").await;
}

#[tokio::test]
async fn frames_that_no_agent_sends_are_breaches() {
    check(frame(5, 0, 1, &[0; 8]), "of a kind").await;
    check(frame(0xee, 0, 0, &[]), "of a kind").await;
    check(frame(0, 0, 1, &vec![0; 20_000]), "too large").await;
    check(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(), "").await;
    check(vec![0xff; 64], "too large").await;
}

#[tokio::test]
async fn an_agent_that_only_pings_or_is_silent_is_silent() {
    for attack in [Vec::new(), frame(6, 0, 0, &[0; 8])] {
        let error = outcome(attack, Duration::from_millis(300)).await;
        let known = matches!(error, GuestError::Silent { .. } | GuestError::Protocol { .. });
        assert!(known, "{error:?}");
    }
}
