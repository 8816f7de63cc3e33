use std::{
    fs::File,
    io::{IoSliceMut, Read as _, Write as _},
    mem::MaybeUninit,
    os::unix::net::{UnixListener, UnixStream as StdUnixStream},
    thread,
};

use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use serde_json::json;

use super::*;

const LIMIT: Duration = Duration::from_secs(5);

/// One who answers the first request with `answer`, and is asked for it.
async fn answered(answer: Vec<u8>, limit: Duration) -> Result<Value, ApiError> {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("api.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = [0; 4096];
        let length = stream.read(&mut request).unwrap();
        let _hung_up = stream.write_all(&answer);
        if answer.is_empty() {
            let _until_it_gives_up = stream.read(&mut request);
        }
        String::from_utf8_lossy(&request[..length]).into_owned()
    });
    let answer = Api::new(socket).get("vm.info", limit).await;
    let request = server.join().unwrap();
    assert!(request.starts_with("GET /api/v1/vm.info HTTP/1.1\r\n"), "{request}");
    answer
}

fn with(status: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

#[tokio::test]
async fn what_is_answered_is_understood_or_an_error() {
    let answer = answered(with("200 OK", "{\"state\": \"Created\"}"), LIMIT).await.unwrap();
    assert_eq!(answer, json!({"state": "Created"}));
    let answer = answered(b"HTTP/1.1 204 No Content\r\n\r\n".to_vec(), LIMIT).await.unwrap();
    assert_eq!(answer, Value::Null);
    for (status, body, expected) in [
        ("500 Bad", "[\"Error from API\",\"no\\nat line 1\"]", "Error from API: no"),
        ("404 Not Found", "", "404 Not Found"),
        ("400 Bad", "\u{1b}[2Jno", "\u{fffd}[2Jno"),
    ] {
        match answered(with(status, body), LIMIT).await {
            Err(ApiError::Refused { reason }) => assert_eq!(reason, expected),
            other => panic!("{other:?}"),
        }
    }
    let refused = answered(with("500 Bad", &"x".repeat(100_000)), LIMIT).await;
    let Err(ApiError::Refused { reason }) = refused else { panic!("{refused:?}") };
    assert_eq!(reason.len(), MAX_REASON_CHARACTERS);
    let endless = with("200 OK", &" ".repeat(MAX_ANSWER_BYTES + 1));
    for garbled in [with("200 OK", "{\"state\":"), endless, b"SSH-2.0-nonsense\r\n".to_vec()] {
        let answer = answered(garbled, LIMIT).await;
        assert!(matches!(answer, Err(ApiError::Garbled { .. })), "{answer:?}");
    }
    let cut = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{".to_vec();
    let answer = answered(cut, LIMIT).await;
    assert!(matches!(answer, Err(ApiError::Garbled { .. } | ApiError::Closed(_))), "{answer:?}");
    let answer = answered(Vec::new(), Duration::from_millis(100)).await;
    assert!(matches!(answer, Err(ApiError::Timeout(_))), "{answer:?}");
    let nobody = Api::new("/nonexistent/api.sock".into()).get("vm.info", LIMIT).await;
    assert!(matches!(nobody, Err(ApiError::Closed(_))), "{nobody:?}");
}

/// What is read, and how many descriptors came with it.
fn receive(stream: &StdUnixStream) -> (String, usize) {
    let (mut bytes, mut count) = (vec![0; 4096], 0);
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(4))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut slice = [IoSliceMut::new(&mut bytes)];
    let received = recvmsg(stream, &mut slice, &mut ancillary, RecvFlags::empty()).unwrap();
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(descriptors) = message {
            count += descriptors.count();
        }
    }
    (String::from_utf8_lossy(&bytes[..received.bytes]).into_owned(), count)
}

#[tokio::test]
async fn descriptors_travel_with_the_first_byte() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("api.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let (mut request, count) = receive(&stream);
        while !request.contains("\r\n\r\n{\"id\":\"net0\"}") {
            let (more, later) = receive(&stream);
            assert_eq!(later, 0);
            request.push_str(&more);
        }
        stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap();
        (request, count)
    });
    let descriptors = vec![File::open("/dev/null").unwrap().into()];
    let body = json!({"id": "net0"});
    Api::new(socket).put_with("vm.add-net", &body, descriptors, LIMIT).await.unwrap();
    let (request, count) = server.join().unwrap();
    assert_eq!(count, 1);
    assert!(request.starts_with("PUT /api/v1/vm.add-net HTTP/1.1\r\n"), "{request}");
}
