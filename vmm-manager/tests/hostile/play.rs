//! Plays bytes to the host's client as if a guest had sent them, and tells what came of it.
//!
//! The input is what a guest sends after the bridge's `OK`; its first byte says how it is cut. The
//! frames of a call wait until the client is idle, since no honest agent answers before it is
//! asked. The clock stands still while anybody works, so neither pauses nor limits take any time.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use kiln_vmm_manager::guest::{
    Command, Conversation, DiskFormat, GuestError, Hello, Pack, TerminalSize, Transcript, Unpack,
    converse,
};
use tokio::{
    io::{
        AsyncRead, AsyncWrite, AsyncWriteExt as _, DuplexStream, ReadBuf, WriteHalf, copy, duplex,
        sink, split,
    },
    runtime,
    time::{sleep, timeout},
};

/// Each frame is one write.
pub(crate) const FRAMES: u8 = 0;
/// Each frame is one write, and waits for an idle client.
pub(crate) const CALM: u8 = 1;
/// Byte by byte.
pub(crate) const BYTES: u8 = 2;
/// Pieces of the first byte's bits from [`PIECE_SHIFT`] on plus one, each waiting for an idle client.
pub(crate) const PIECES: u8 = 3;
/// After the last byte the guest falls silent, instead of closing the stream.
pub(crate) const SILENT: u8 = 4;
/// The client comes back to a guest that it left: [`resumed`] instead of [`conversation`].
pub(crate) const RESUMED: u8 = 0x80;
const CUT: u8 = 3;
const PIECE_SHIFT: u8 = 3;
const PIECE: u8 = 0x0f;

/// The mode of pieces of `bytes`, 1 to 16.
pub(crate) const fn pieces(bytes: u8) -> u8 {
    PIECES | (bytes - 1) << PIECE_SHIFT
}

pub(crate) const LIMIT: Duration = Duration::from_secs(600);
pub(crate) const PHASE_LIMIT: Duration = Duration::from_secs(20);
pub(crate) const OUTPUT_BYTES: u64 = 4 << 30;
/// Of a source disk, whatever the guest says of it.
pub(crate) const DISK_LIMIT: Duration = Duration::from_secs(120);
pub(crate) const SOURCE_BYTES: u64 = 10_000;
pub(crate) const OUTPUT_DISK_BYTES: u64 = 1 << 20;
/// Of the command's output, before it is taken up.
pub(crate) const SEEN_BYTES: u64 = 1000;
const STDIN: &[u8] = &[b'i'; 200];
/// Half of it was sent before.
pub(crate) const STDIN_BYTES: u64 = STDIN.len() as u64;
/// The shortest pause of the clock: it ends when nobody has anything left to do.
pub(crate) const IDLE: Duration = Duration::from_millis(1);
/// Far more than any window: what a guest sends without asking is there at once.
const PIPE_BYTES: usize = 1024 * 1024;

/// What came of a conversation.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) result: Result<Transcript, GuestError>,
    /// How many of the guest's bytes the client took.
    pub(crate) taken: usize,
    /// Tasks that the client left behind.
    pub(crate) lingering: usize,
}

/// Plays `input`.
pub(crate) fn play(input: &[u8]) -> Outcome {
    play_at(input, IDLE)
}

/// Plays `input` with pauses of the given length.
pub(crate) fn play_at(input: &[u8], pause: Duration) -> Outcome {
    let (mode, bytes) = input.split_first().map_or((FRAMES, input), |(mode, rest)| (*mode, rest));
    let conversation = if mode & RESUMED == 0 { conversation() } else { resumed() };
    let client = async |host| converse(host, conversation).await;
    talk(client, async |mut guest| {
        // An error says that the client has hung up.
        let _ = speak(&mut guest, bytes, mode, pause).await;
        if mode & SILENT != 0 {
            std::future::pending::<()>().await;
        }
    })
}

/// What comes of a client's talk with a far end that hears nothing, and ends when `act` does.
pub(crate) fn talk<C, F>(client: C, act: F) -> Outcome
where
    C: AsyncFnOnce(Metered) -> Result<Transcript, GuestError>,
    F: AsyncFnOnce(WriteHalf<DuplexStream>),
{
    let runtime = runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime").block_on(async {
        let (host, guest) = duplex(PIPE_BYTES);
        let taken = Arc::new(AtomicUsize::new(0));
        let host = Metered { stream: host, taken: Arc::clone(&taken) };
        let far_end = async move {
            let (mut heard, said) = split(guest);
            let mut nowhere = sink();
            tokio::select! {
                _ = copy(&mut heard, &mut nowhere) => {}
                () = act(said) => {}
            }
            // Both halves go here, which is how the stream ends.
        };
        let near_end = timeout(LIMIT * 2, client(host));
        let (result, ()) = tokio::join!(near_end, far_end);
        let result = result.expect("the client keeps to its own limit");
        sleep(IDLE).await;
        let lingering = runtime::Handle::current().metrics().num_alive_tasks();
        Outcome { result, taken: taken.load(Ordering::Relaxed), lingering }
    })
}

/// What the client says to a new guest, and puts up with.
pub(crate) fn conversation() -> Conversation {
    Conversation {
        hello: Hello {
            hostname: "hostile".to_owned(),
            secret: [7; 32],
            network: None,
            limit: PHASE_LIMIT,
        },
        unpack: None,
        command: Command::new(vec!["true".to_owned()], PHASE_LIMIT),
        stdin: Bytes::new(),
        pack: None,
        output_bytes: OUTPUT_BYTES,
        limit: LIMIT,
    }
}

/// What it says to one that it comes back to, whose disk it asks for again and whose command it
/// takes up.
pub(crate) fn resumed() -> Conversation {
    let new = conversation();
    Conversation {
        unpack: Some(Unpack {
            disk: "in-0".to_owned(),
            length: SOURCE_BYTES,
            format: DiskFormat::Tar,
            path: "/src".to_owned(),
            silence: PHASE_LIMIT,
            limit: DISK_LIMIT,
        }),
        command: Command {
            stdin: true,
            id: Some("work".to_owned()),
            output_offset: SEEN_BYTES,
            stdin_sent: Some(STDIN_BYTES / 2),
            terminal: Some(TerminalSize { rows: 24, columns: 80 }),
            ..new.command
        },
        stdin: Bytes::from_static(STDIN),
        pack: Some(Pack {
            disk: "out-0".to_owned(),
            disk_bytes: OUTPUT_DISK_BYTES,
            format: DiskFormat::Raw,
            path: "/result".to_owned(),
            silence: PHASE_LIMIT,
            limit: DISK_LIMIT,
        }),
        ..new
    }
}

/// Says `bytes`, cut as `mode` says.
pub(crate) async fn speak(
    guest: &mut (impl AsyncWrite + Unpin),
    bytes: &[u8],
    mode: u8,
    pause: Duration,
) -> std::io::Result<()> {
    let mut last_call = 0;
    // The client speaks first, so that what it hears is heard as an answer.
    sleep(pause).await;
    for frame in frames(bytes) {
        let call = frame.get(5..9).map_or(0, |id| u32::from_be_bytes([id[0], id[1], id[2], id[3]]));
        if call > last_call || mode & CUT == CALM {
            last_call = call.max(last_call);
            sleep(pause).await;
        }
        match mode & CUT {
            BYTES => {
                for byte in frame {
                    guest.write_u8(*byte).await?;
                }
            }
            PIECES => {
                for piece in frame.chunks(usize::from(mode >> PIECE_SHIFT & PIECE) + 1) {
                    guest.write_all(piece).await?;
                    sleep(pause).await;
                }
            }
            _ => guest.write_all(frame).await?,
        }
    }
    Ok(())
}

/// `bytes` as the frames that their lengths claim; the last may be cut short.
pub(crate) fn frames(mut bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let claimed = match bytes {
            [] => return None,
            [high, middle, low, ..] => u32::from_be_bytes([0, *high, *middle, *low]) as usize + 9,
            _ => bytes.len(),
        };
        let (frame, rest) = bytes.split_at(claimed.min(bytes.len()));
        bytes = rest;
        Some(frame)
    })
}

/// Counts what is read.
#[derive(Debug)]
pub(crate) struct Metered {
    stream: DuplexStream,
    taken: Arc<AtomicUsize>,
}

impl AsyncRead for Metered {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        ready!(Pin::new(&mut this.stream).poll_read(context, buffer))?;
        this.taken.fetch_add(buffer.filled().len() - before, Ordering::Relaxed);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Metered {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}
