//! The engine's half.

use std::{
    collections::BTreeMap,
    future::Future,
    path::Path,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use tokio::sync::{Notify, mpsc};
use tokio_stream::{Stream, StreamExt as _};
use tonic::{Request, Status, metadata::MetadataMap};

use super::super::{Directories, Kind, Packet, Packets, packet::Stat};

/// All that came of one transfer.
#[derive(Debug, Default)]
pub(super) struct Received {
    pub(super) stats: Vec<Stat>,
    pub(super) contents: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl Received {
    pub(super) fn content(&self, path: &str) -> &[u8] {
        &self.contents[path.as_bytes()]
    }
}

pub(super) struct Engine {
    to: mpsc::UnboundedSender<Packet>,
    from: Packets,
    /// Dropped by whoever sends, at its end.
    ended: Arc<Notify>,
    pub(super) stats: u32,
    /// Of the last packet that told of an error.
    pub(super) words: String,
}

/// What the engine says; that it was let go of is noticed.
struct Said(mpsc::UnboundedReceiver<Packet>, Arc<Notify>);

impl Stream for Said {
    type Item = Result<Packet, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(context).map(|packet| packet.map(Ok))
    }
}

impl Drop for Said {
    fn drop(&mut self) {
        self.1.notify_one();
    }
}

impl Engine {
    pub(super) fn begin(root: &Path, asked: &[(&'static str, &str)]) -> Result<Self, Status> {
        let (to, said) = mpsc::unbounded_channel();
        let ended = Arc::new(Notify::new());
        let mut request = Request::new(Said(said, Arc::clone(&ended)));
        let mut metadata = MetadataMap::new();
        metadata.insert("dir-name", "context".parse().unwrap());
        for (key, value) in asked {
            let packed: Vec<_> = value.bytes().map(|byte| format!("%{byte:02x}")).collect();
            match *key {
                "dir-name" => drop(metadata.insert(*key, value.parse().unwrap())),
                key => {
                    metadata.append(key, packed.concat().parse().unwrap());
                    let key: tonic::metadata::AsciiMetadataKey =
                        format!("{key}-encoded").parse().unwrap();
                    metadata.insert(key, "1".parse().unwrap());
                }
            }
        }
        *request.metadata_mut() = metadata;
        let directories = Directories([("context".to_owned(), root.to_owned())].into());
        let from = directories.send(request)?.into_inner();
        Ok(Self { to, from, ended, stats: 0, words: String::new() })
    }

    pub(super) fn ended(&self) -> impl Future<Output = ()> + use<> {
        let ended = Arc::clone(&self.ended);
        async move { ended.notified().await }
    }

    pub(super) fn say(&self, packet: Packet) {
        self.to.send(packet).unwrap();
    }

    pub(super) async fn next(&mut self) -> Option<Result<Packet, Status>> {
        self.from.next().await
    }

    pub(super) async fn stats(&mut self) -> Result<Vec<Stat>, Status> {
        let mut stats = Vec::new();
        while let Some(packet) = self.next().await {
            match packet? {
                Packet { stat: Some(stat), .. } => stats.push(stat),
                packet if packet.kind == Kind::Stat as i32 => return Ok(stats),
                packet => self.words = String::from_utf8_lossy(&packet.data).into_owned(),
            }
        }
        Err(Status::aborted("it ended"))
    }

    /// Hears it to its end, with whatever has been said.
    pub(super) async fn end(&mut self) -> Result<(), Status> {
        while let Some(packet) = self.next().await {
            let packet = packet?;
            if packet.kind == Kind::Error as i32 {
                self.words = String::from_utf8_lossy(&packet.data).into_owned();
            }
        }
        Ok(())
    }
}

/// Asks for all files, as soon as it hears of them.
pub(super) async fn received(
    root: &Path,
    asked: &[(&'static str, &str)],
) -> Result<Received, Status> {
    let mut engine = Engine::begin(root, asked)?;
    let mut received = Received::default();
    let (mut open, mut all) = (0, false);
    loop {
        if all && open == 0 {
            engine.say(Packet::of(Kind::End));
            all = false;
        }
        let packet = engine.next().await.ok_or_else(|| Status::aborted("it ended"))??;
        match (Kind::try_from(packet.kind).unwrap(), packet.stat) {
            (Kind::Stat, Some(stat)) => {
                if stat.mode & !0o777 & !(0b1101 << 20) == 0 && stat.link.is_empty() {
                    let id = u32::try_from(received.stats.len()).unwrap();
                    engine.say(Packet { id, ..Packet::of(Kind::Request) });
                    open += 1;
                }
                received.stats.push(stat);
            }
            (Kind::Stat, None) => all = true,
            (Kind::Data, _) => {
                let path = received.stats[packet.id as usize].path.to_vec();
                received.contents.entry(path).or_default().extend_from_slice(&packet.data);
                open -= usize::from(packet.data.is_empty());
            }
            (Kind::End, _) => break,
            (Kind::Error, _) => {
                engine.words = String::from_utf8_lossy(&packet.data).into_owned();
            }
            (Kind::Request, _) => panic!("whoever sends asks for nothing"),
        }
    }
    assert!(engine.next().await.is_none(), "something came behind the end");
    Ok(received)
}
