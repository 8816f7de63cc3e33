//! Between a step and an agent: it may be asked what keys it has, and to sign. Keys are neither added
//! nor taken away, and no library of a smart card's is loaded.

use std::{io, path::Path};

use bollard_buildkit_proto::moby::sshforward::v1::BytesMessage;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixStream,
    sync::mpsc,
};
use tokio_stream::{Stream, StreamExt as _, wrappers::ReceiverStream};
use tonic::Status;

/// As OpenSSH has it.
const MAX_BYTES: usize = 256 << 10;
const FAILURE: [u8; 5] = [0, 0, 0, 1, 5];
const LIST: u8 = 11;
const SIGN: u8 = 13;

/// One request after the other, as agents answer.
pub(super) async fn begin<S>(
    socket: &Path,
    asked: S,
) -> Result<ReceiverStream<Result<BytesMessage, Status>>, Status>
where
    S: Stream<Item = Result<BytesMessage, Status>> + Send + Unpin + 'static,
{
    let failed = |error: io::Error| {
        Status::unknown(format!("failed to connect to {}: {error}", socket.display()))
    };
    let agent = UnixStream::connect(socket).await.map_err(failed)?;
    let (to, answers) = mpsc::channel(1);
    tokio::spawn(async move {
        if let Err(error) = serve(agent, asked, &to).await {
            // A step that has gone needs no words.
            let _ = to.send(Err(Status::unknown(format!("the ssh agent: {error}")))).await;
        }
    });
    Ok(ReceiverStream::new(answers))
}

async fn serve<S>(
    mut agent: UnixStream,
    mut asked: S,
    to: &mpsc::Sender<Result<BytesMessage, Status>>,
) -> io::Result<()>
where
    S: Stream<Item = Result<BytesMessage, Status>> + Send + Unpin,
{
    let mut held = Vec::new();
    while let Some(Ok(BytesMessage { data })) = asked.next().await {
        held.extend_from_slice(&data);
        while let Some(length) = frame(&held)? {
            let request: Vec<u8> = held.drain(..length).collect();
            let answer = match request.get(4) {
                Some(&(LIST | SIGN)) => ask(&mut agent, &request).await?,
                _ => FAILURE.to_vec(),
            };
            if to.send(Ok(BytesMessage { data: answer })).await.is_err() {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// How long the first one is, if it is there whole.
fn frame(held: &[u8]) -> io::Result<Option<usize>> {
    let Some(length) = held.first_chunk::<4>() else { return Ok(None) };
    let length = checked(*length)?;
    Ok((held.len() >= length).then_some(length))
}

fn checked(length: [u8; 4]) -> io::Result<usize> {
    match u32::from_be_bytes(length) as usize {
        length if (1..=MAX_BYTES).contains(&length) => Ok(4 + length),
        length => Err(io::Error::new(
            io::ErrorKind::InvalidData,
            format!("a message of {length} bytes is none"),
        )),
    }
}

async fn ask(agent: &mut UnixStream, request: &[u8]) -> io::Result<Vec<u8>> {
    agent.write_all(request).await?;
    let mut length = [0; 4];
    agent.read_exact(&mut length).await?;
    let mut answer = vec![0; checked(length)?];
    answer[..4].copy_from_slice(&length);
    agent.read_exact(&mut answer[4..]).await?;
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use tokio::net::UnixListener;

    use super::*;

    fn message(kind: u8, content: &[u8]) -> Vec<u8> {
        let length = u32::try_from(1 + content.len()).unwrap();
        [&length.to_be_bytes()[..], &[kind], content].concat()
    }

    /// Answers each message with one of kind 100 that has it, and tells what it was asked.
    fn agent(listener: UnixListener) -> tokio::task::JoinHandle<Vec<u8>> {
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut kinds = Vec::new();
            let mut length = [0; 4];
            while stream.read_exact(&mut length).await.is_ok() {
                let mut content = vec![0; u32::from_be_bytes(length) as usize];
                stream.read_exact(&mut content).await.unwrap();
                kinds.push(content[0]);
                stream.write_all(&message(100, &content)).await.unwrap();
            }
            kinds
        })
    }

    async fn answers(asked: &[u8], cut: usize) -> (Vec<u8>, Vec<u8>) {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("socket");
        let agent = agent(UnixListener::bind(&socket).unwrap());
        let pieces: Vec<_> =
            asked.chunks(cut).map(|piece| Ok(BytesMessage { data: piece.to_vec() })).collect();
        let mut answers = begin(&socket, tokio_stream::iter(pieces)).await.unwrap();
        let mut all = Vec::new();
        while let Some(answer) = answers.next().await {
            match answer {
                Ok(answer) => all.extend(answer.data),
                Err(status) => all.extend(status.message().as_bytes()),
            }
        }
        (all, agent.await.unwrap())
    }

    #[tokio::test]
    async fn an_agent_is_asked_to_list_and_to_sign_alone() {
        // Sign, add, remove, remove all, add of a smart card, lock, extension, list.
        let kinds = [13_u8, 17, 18, 19, 20, 22, 27, 11];
        let asked: Vec<u8> = kinds.iter().flat_map(|kind| message(*kind, b"content")).collect();
        let mut expected = message(100, b"\x0dcontent");
        expected.extend(FAILURE.repeat(6));
        expected.extend(message(100, b"\x0bcontent"));
        for cut in [1, 5, asked.len()] {
            assert_eq!(answers(&asked, cut).await, (expected.clone(), vec![13, 11]));
        }
    }

    #[tokio::test]
    async fn what_is_no_message_ends_it() {
        for length in [0_u32, 1 << 20] {
            let (words, kinds) = answers(&length.to_be_bytes(), 4).await;
            let words = String::from_utf8(words).unwrap();
            assert_eq!(words, format!("the ssh agent: a message of {length} bytes is none"));
            assert!(kinds.is_empty());
        }
        let nowhere = tempfile::tempdir().unwrap().path().join("socket");
        let status = begin(&nowhere, tokio_stream::empty()).await.unwrap_err();
        assert!(status.message().starts_with("failed to connect to "));
    }
}
