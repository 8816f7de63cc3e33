use std::path::PathBuf;

use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixStream,
    sync::mpsc,
    time::timeout,
};
use tokio_stream::StreamExt as _;

use super::*;

const LIMIT: Duration = Duration::from_secs(10);

struct Guest {
    relay: Relay,
    directory: TempDir,
    _sockets: Vec<Socket>,
}

/// The host's end of a stream.
struct Host {
    frames: mpsc::Sender<Result<SshFrame, Status>>,
    answers: SshStream,
}

impl Guest {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let relay = Relay::default();
        let sockets = ["default", "other"];
        let sockets = sockets.map(|id| relay.listen(id, &directory.path().join(id)).unwrap());
        Self { relay, directory, _sockets: sockets.into() }
    }

    fn socket(&self, id: &str) -> PathBuf {
        self.directory.path().join(id)
    }

    async fn connect(&self, id: &str) -> UnixStream {
        UnixStream::connect(self.socket(id)).await.unwrap()
    }

    fn serve(&self) -> Host {
        let (frames, incoming) = mpsc::channel(1);
        Host { frames, answers: self.relay.serve(ReceiverStream::new(incoming)) }
    }
}

impl Host {
    async fn next(&mut self) -> Result<SshFrame, Status> {
        timeout(LIMIT, self.answers.next()).await.unwrap().unwrap()
    }

    async fn say(&self, connection: u32, data: &[u8], closed: bool) {
        let frame = SshFrame { connection, data: data.to_vec().into(), closed, id: String::new() };
        self.frames.send(Ok(frame)).await.unwrap();
    }
}

async fn end_of(connection: &mut UnixStream) {
    let mut rest = Vec::new();
    // A connection that was let go with words unread is reset.
    let _ = timeout(LIMIT, connection.read_to_end(&mut rest)).await.unwrap();
    assert_eq!(rest, b"");
}

fn frame(connection: u32, id: &str, data: &[u8], closed: bool) -> SshFrame {
    SshFrame { connection, id: id.to_owned(), data: data.to_vec().into(), closed }
}

#[tokio::test]
async fn connections_share_a_stream() {
    let guest = Guest::new();
    let mut host = guest.serve();
    let mut first = guest.connect("default").await;
    assert_eq!(host.next().await.unwrap(), frame(1, "default", b"", false));
    let mut second = guest.connect("other").await;
    assert_eq!(host.next().await.unwrap(), frame(2, "other", b"", false));
    second.write_all(b"two").await.unwrap();
    assert_eq!(host.next().await.unwrap(), frame(2, "", b"two", false));
    first.write_all(b"one").await.unwrap();
    assert_eq!(host.next().await.unwrap(), frame(1, "", b"one", false));
    host.say(1, b"an answer", false).await;
    let mut answer = [0; 9];
    first.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"an answer");
    // By either end, and what is said to a connection that is gone is said to nobody.
    host.say(2, b"", true).await;
    end_of(&mut second).await;
    assert_eq!(host.next().await.unwrap(), frame(2, "", b"", true));
    host.say(2, b"late", false).await;
    drop(first);
    assert_eq!(host.next().await.unwrap(), frame(1, "", b"", true));
}

#[tokio::test]
async fn without_a_stream_nobody_is_kept_waiting() {
    let guest = Guest::new();
    end_of(&mut guest.connect("default").await).await;
    let host = guest.serve();
    drop(host);
    // The stream's end is seen by its own task.
    loop {
        if guest.relay.current().is_none() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    end_of(&mut guest.connect("default").await).await;
}

#[tokio::test]
async fn a_new_stream_ends_the_last_with_its_connections() {
    let guest = Guest::new();
    let mut before = guest.serve();
    let mut connection = guest.connect("default").await;
    before.next().await.unwrap();
    let mut host = guest.serve();
    let ended = loop {
        match before.next().await {
            Ok(_) => {}
            Err(status) => break status,
        }
    };
    assert_eq!(ended.code(), tonic::Code::Aborted);
    end_of(&mut connection).await;
    let _connection = guest.connect("default").await;
    assert_eq!(host.next().await.unwrap(), frame(1, "default", b"", false));
}

#[tokio::test]
async fn a_host_that_opens_connections_or_floods_is_refused() {
    let guest = Guest::new();
    for wrong in [frame(1, "default", b"", false), frame(1, "", &vec![0; 100_000], false)] {
        let mut host = guest.serve();
        host.frames.send(Ok(wrong)).await.unwrap();
        assert_eq!(host.next().await.unwrap_err().code(), tonic::Code::InvalidArgument);
    }
}

#[tokio::test]
async fn one_that_does_not_listen_holds_up_no_other() {
    let guest = Guest::new();
    let mut host = guest.serve();
    let deaf = guest.connect("default").await;
    host.next().await.unwrap();
    let mut other = guest.connect("other").await;
    host.next().await.unwrap();
    // More than a socket and what waits before it take.
    for _ in 0..64 {
        host.say(1, &vec![0; 60_000], false).await;
    }
    host.say(2, b"heard", false).await;
    let mut heard = [0; 5];
    timeout(LIMIT, other.read_exact(&mut heard)).await.unwrap().unwrap();
    assert_eq!(&heard, b"heard");
    drop(deaf);
}
