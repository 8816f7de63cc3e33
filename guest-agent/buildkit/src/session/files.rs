//! Files of a directory here, sent to the engine: all stats in order, then the data of those files
//! that it asks for.
//!
//! ```text
//! we:     stat … stat, end of stats     data … data of 7, end of 7       end
//! engine:        request 7, request 9 …                              end
//! ```

mod filter;
mod follow;
mod metadata;
mod packet;
mod stat;
#[cfg(test)]
mod tests;
mod walk;

use std::{
    collections::{HashMap, VecDeque},
    ffi::OsStr,
    fs::File,
    io::{self, Read as _},
    os::unix::{ffi::OsStrExt as _, fs::OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use bytes::{Bytes, BytesMut};
use rustix::fs::OFlags;
use tokio::sync::mpsc;
use tokio_stream::{Stream, StreamExt as _, wrappers::ReceiverStream};
use tonic::{Request, Response, Status, metadata::MetadataMap};

pub(super) use self::packet::Packet;
use self::{
    filter::Filter,
    metadata::values,
    packet::{Kind, Stat},
    walk::{Walk, WalkError},
};
use crate::failure::chain;

/// Of a file at once; the engine writes each as it comes.
const CHUNK_BYTES: usize = 64 << 10;
/// Packets that wait for the connection. Few of them are data while many are stats.
const WAITING: usize = 64;

/// Directories by their names.
#[derive(Debug, Default)]
pub(crate) struct Directories(pub(crate) HashMap<String, PathBuf>);

pub(super) type Packets = ReceiverStream<Result<Packet, Status>>;

#[derive(Debug, thiserror::Error)]
enum SendError {
    #[error(transparent)]
    Walk(#[from] WalkError),
    #[error("cannot read {}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("the engine asked for file {0}, which there is not")]
    Unknown(u32),
    #[error("error from receiver: {0}")]
    Receiver(String),
    #[error("the engine sent a packet of kind {0} where requests belong")]
    Kind(i32),
    /// Nobody is told.
    #[error("the engine went away")]
    Gone,
    #[error("the engine broke off")]
    Broken(#[source] Status),
}

impl Directories {
    pub(super) fn send<S>(&self, request: Request<S>) -> Result<Response<Packets>, Status>
    where
        S: Stream<Item = Result<Packet, Status>> + Send + Unpin + 'static,
    {
        let (root, filter) = self.asked(request.metadata())?;
        let (to, packets) = mpsc::channel(WAITING);
        let requests = request.into_inner();
        tokio::spawn(async move {
            let Err(error) = send(&root, filter, requests, &to).await else { return };
            let words = chain(&error);
            let told = Packet { data: words.clone().into(), ..Packet::of(Kind::Error) };
            // Who has gone needs no words.
            let _ = to.send(Ok(told)).await;
            let _ = to.send(Err(Status::unknown(words))).await;
        });
        Ok(Response::new(ReceiverStream::new(packets)))
    }

    fn asked(&self, metadata: &MetadataMap) -> Result<(PathBuf, Filter), Status> {
        let name = values(metadata, "dir-name")?.into_iter().next().unwrap_or_default();
        let name = String::from_utf8_lossy(&name).into_owned();
        let root = self
            .0
            .get(&name)
            .ok_or_else(|| Status::not_found(format!("no access allowed to dir {name:?}")))?;
        let mut include = values(metadata, "include-patterns")?;
        let follow = values(metadata, "followpaths")?;
        if !follow.is_empty() {
            follow::add(root, &follow, &mut include)
                .map_err(|error| Status::unknown(chain(&error)))?;
        }
        let filter = Filter::new(&include, &values(metadata, "exclude-patterns")?)
            .map_err(|error| Status::unknown(chain(&error)))?;
        Ok((root.clone(), filter))
    }
}

type To = mpsc::Sender<Result<Packet, Status>>;

async fn say(to: &To, packet: Packet) -> Result<(), SendError> {
    to.send(Ok(packet)).await.map_err(|_| SendError::Gone)
}

async fn send<S>(root: &Path, filter: Filter, mut requests: S, to: &To) -> Result<(), SendError>
where
    S: Stream<Item = Result<Packet, Status>> + Send + Unpin + 'static,
{
    let mut files = Files::default();
    let mut walk = Walk::begin(root, filter)?;
    let mut id = 0;
    while let Some(stat) = walk.next()? {
        files.tell(id, &stat);
        id += 1;
        let mut said = std::pin::pin!(say(to, Packet::stat(stat)));
        // Requests are taken meanwhile: were they left lying, the engine would stop reading, and so
        // would we.
        loop {
            tokio::select! {
                biased;
                said = &mut said => break said?,
                request = requests.next() => files.request(request)?,
            }
        }
    }
    say(to, Packet::of(Kind::Stat)).await?;
    loop {
        while let Some((id, path)) = files.asked.pop_front() {
            let mut sent = std::pin::pin!(data(root.join(OsStr::from_bytes(&path)), id, to));
            loop {
                tokio::select! {
                    biased;
                    sent = &mut sent => break sent?,
                    request = requests.next() => files.request(request)?,
                }
            }
        }
        if files.is_over {
            return say(to, Packet::of(Kind::End)).await;
        }
        files.request(requests.next().await)?;
    }
}

#[derive(Default)]
struct Files {
    /// Told, and not asked for.
    told: HashMap<u32, Bytes>,
    asked: VecDeque<(u32, Bytes)>,
    is_over: bool,
}

impl Files {
    fn tell(&mut self, id: u32, stat: &Stat) {
        // Those without a bit of a kind have data; both sides judge by it.
        const KINDS: u32 = 1 << 31 | 1 << 27 | 1 << 26 | 1 << 25 | 1 << 24 | 1 << 21 | 1 << 19;
        if stat.mode & KINDS == 0 {
            self.told.insert(id, stat.path.clone());
        }
    }

    fn request(&mut self, packet: Option<Result<Packet, Status>>) -> Result<(), SendError> {
        let packet = packet.ok_or(SendError::Gone)?.map_err(SendError::Broken)?;
        match Kind::try_from(packet.kind) {
            Ok(Kind::Request) => {
                let path = self.told.remove(&packet.id).ok_or(SendError::Unknown(packet.id))?;
                self.asked.push_back((packet.id, path));
                Ok(())
            }
            Ok(Kind::End) => {
                self.is_over = true;
                Ok(())
            }
            Ok(Kind::Error) => {
                Err(SendError::Receiver(String::from_utf8_lossy(&packet.data).into_owned()))
            }
            Ok(Kind::Stat | Kind::Data) | Err(_) => Err(SendError::Kind(packet.kind)),
        }
    }
}

async fn data(path: PathBuf, id: u32, to: &To) -> Result<(), SendError> {
    let mut file = match open(&path) {
        Ok(file) => Some(file),
        // A socket has nothing in it.
        Err(error) if error.raw_os_error() == Some(rustix::io::Errno::NXIO.raw_os_error()) => None,
        Err(source) => return Err(SendError::Read { path, source }),
    };
    while let Some(open) = &mut file {
        let mut chunk = BytesMut::zeroed(CHUNK_BYTES);
        let length = match open.read(&mut chunk) {
            Ok(0) => break,
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(source) => return Err(SendError::Read { path, source }),
        };
        chunk.truncate(length);
        say(to, Packet::data(id, chunk.freeze())).await?;
    }
    say(to, Packet::data(id, Bytes::new())).await
}

fn open(path: &Path) -> io::Result<File> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    File::options().read(true).custom_flags(flags.bits().cast_signed()).open(path)
}
