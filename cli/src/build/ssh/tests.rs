use std::sync::{Arc, Mutex};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixListener,
};

use super::*;

const FAILURE: &[u8] = &[0, 0, 0, 1, 5];

/// An agent that remembers all it was asked. To each request it answers with that request, its type
/// one higher, as the agent's answers to the two that it should see have it.
struct Played {
    directory: tempfile::TempDir,
    asked: Arc<Mutex<Vec<Vec<u8>>>>,
}

/// A connection of a step's.
struct Step {
    chunks: mpsc::Sender<Bytes>,
    answers: mpsc::Receiver<v1::ServeSshRequest>,
    exchange: JoinHandle<std::io::Result<()>>,
}

impl Played {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(directory.path().join("agent")).unwrap();
        let asked = Arc::<Mutex<Vec<_>>>::default();
        let played = Self { directory, asked: asked.clone() };
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                while let Ok(length) = stream.read_u32().await {
                    let mut request = vec![0; length as usize];
                    stream.read_exact(&mut request).await.unwrap();
                    asked.lock().unwrap().push(request.clone());
                    request[0] += 1;
                    // In two parts: an answer is put together first.
                    stream.write_u32(length).await.unwrap();
                    stream.flush().await.unwrap();
                    tokio::task::yield_now().await;
                    stream.write_all(&request).await.unwrap();
                }
            }
        });
        played
    }

    fn step(&self) -> Step {
        let path = self.directory.path().join("agent");
        let (chunks, mut receiver) = mpsc::channel(QUEUE);
        let (sender, answers) = mpsc::channel(QUEUE);
        let exchange =
            tokio::spawn(async move { exchange(&path, 7, &mut receiver, &sender).await });
        Step { chunks, answers, exchange }
    }

    fn asked(&self) -> Vec<Vec<u8>> {
        self.asked.lock().unwrap().clone()
    }
}

impl Step {
    async fn ask(&self, bytes: &[u8]) {
        self.chunks.send(Bytes::copy_from_slice(bytes)).await.unwrap();
    }

    async fn answer(&mut self, bytes: usize) -> Vec<u8> {
        let mut answer = Vec::new();
        while answer.len() < bytes {
            let Some(Event::Data(data)) = self.answers.recv().await.unwrap().event else {
                panic!("no data")
            };
            assert_eq!((data.connection, data.closed), (7, false));
            answer.extend_from_slice(&data.data);
        }
        answer
    }
}

fn message(kind: u8, rest: &[u8]) -> Vec<u8> {
    let length = u32::try_from(rest.len() + 1).unwrap();
    [&length.to_be_bytes()[..], &[kind], rest].concat()
}

#[tokio::test]
async fn an_agent_is_asked_for_keys_and_signatures_and_nothing_else() {
    let agent = Played::new();
    let mut step = agent.step();
    for kind in 1..=30 {
        step.ask(&message(kind, b"rest")).await;
        let expected = match kind {
            11 => message(12, b"rest"),
            13 => message(14, b"rest"),
            _ => FAILURE.to_vec(),
        };
        assert_eq!(step.answer(expected.len()).await, expected, "{kind}");
    }
    assert_eq!(agent.asked(), [b"\x0brest", b"\x0drest"]);
}

#[tokio::test]
async fn a_smartcards_library_never_reaches_it() {
    let agent = Played::new();
    let mut step = agent.step();
    let library = b"\0\0\0\x10/tmp/of/guest.so\0\0\0\0";
    // Alone, constrained, behind one that passes and before one, a byte at a time.
    let (list, failure) = (message(11, b""), FAILURE.to_vec());
    let stream =
        [&list[..], &message(20, library), &message(26, library), &message(21, library), &list];
    for byte in stream.concat() {
        step.ask(&[byte]).await;
    }
    let listed = message(12, b"");
    let expected = [&listed[..], &failure, &failure, &failure, &listed].concat();
    assert_eq!(step.answer(expected.len()).await, expected);
    assert_eq!(agent.asked(), [b"\x0b", b"\x0b"]);
}

#[tokio::test]
async fn answers_are_in_order_however_requests_are_torn() {
    let stream = [message(13, b"one"), message(17, b""), message(13, b"two"), message(11, b"")];
    let stream = stream.concat();
    let answers = [&message(14, b"one")[..], FAILURE, &message(14, b"two"), &message(12, b"")];
    let answers = answers.concat();
    let agent = Played::new();
    for tear in 0..stream.len() {
        let mut step = agent.step();
        let (first, rest) = stream.split_at(tear);
        step.ask(first).await;
        step.ask(rest).await;
        assert_eq!(step.answer(answers.len()).await, answers, "{tear}");
    }
    assert!(agent.asked().iter().all(|request| [11, 13].contains(&request[0])));
}

#[tokio::test]
async fn long_answers_come_in_chunks_and_long_requests_close() {
    let agent = Played::new();
    let mut step = agent.step();
    let long = vec![b'x'; (256 << 10) - 1];
    for chunk in message(13, &long).chunks(CHUNK) {
        step.ask(chunk).await;
    }
    let expected = message(14, &long);
    assert_eq!(step.answer(expected.len()).await, expected);
    let count = agent.asked().len();
    step.ask(&((256_u32 << 10) + 1).to_be_bytes()).await;
    let error = step.exchange.await.unwrap().unwrap_err().to_string();
    assert!(error.contains("longer than an agent's"), "{error}");
    assert_eq!(agent.asked().len(), count);
}

#[tokio::test]
async fn a_connection_closes_while_the_agent_thinks() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("agent");
    let _silent = UnixListener::bind(&path).unwrap();
    let (chunks, mut receiver) = mpsc::channel(QUEUE);
    let (sender, _answers) = mpsc::channel(QUEUE);
    let exchange = tokio::spawn(async move { exchange(&path, 1, &mut receiver, &sender).await });
    chunks.send(message(11, b"").into()).await.unwrap();
    // Who asks on and on without an answer is in nobody's way, until it is too much.
    for _ in 0..QUEUE * 2 {
        chunks.send(message(11, b"").into()).await.unwrap();
    }
    drop(chunks);
    exchange.await.unwrap().unwrap();
}
