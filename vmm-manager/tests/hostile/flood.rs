//! Guests that say more than anybody wants to keep.

use std::{iter, time::Duration};

use bytes::Bytes;
use kiln_proto::agent::v1::exec_response::Event;
use kiln_vmm_manager::guest::{Connection, ExecEvent, GuestError, Transcript, converse};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, DuplexStream},
    time::sleep,
};

use crate::{
    agent::{EXEC, Guest},
    frame::{DATA, END_HEADERS, HEADERS, PING},
    judge::{judged, told},
    memory::weigh,
    play::{CALM, FRAMES, IDLE, conversation, play, speak, talk},
    recording::{exited, honest, started, stdout},
};

const MEBIBYTE: usize = 1 << 20;
const CHUNK_BYTES: usize = 32 * 1024;

/// A command that writes `chunks` of `size` bytes.
fn writes(chunks: usize, size: usize) -> impl Iterator<Item = Event> {
    let chunk = Bytes::from(vec![b'x'; size]);
    let chunks = (0..chunks).map(move |index| stdout((index * size) as u64, chunk.clone()));
    iter::once(started()).chain(chunks).chain([exited(0)])
}

/// The most that lives while `chunks` of `size` bytes pass.
fn peak(chunks: usize, size: usize) -> isize {
    let client = async |host: DuplexStream| converse(host, conversation()).await;
    let (result, growth) = weigh(|| honest(move || writes(chunks, size), client));
    assert_eq!(told(&result), format!("{} bytes, then Code(0)", chunks * size));
    assert!(growth.left < MEBIBYTE.cast_signed(), "{growth:?}");
    growth.peak
}

#[test]
fn output_passes_through_without_being_kept() {
    let few = peak(16 * MEBIBYTE / CHUNK_BYTES, CHUNK_BYTES);
    let mebibytes = if crate::full() { 1024 } else { 256 };
    let many = peak(mebibytes * MEBIBYTE / CHUNK_BYTES, CHUNK_BYTES);
    assert!(many < 2 * MEBIBYTE.cast_signed(), "{many} bytes lived at once");
    assert!(many < few + 256 * 1024, "{few} bytes for 16 MiB, {many} for {mebibytes}");
}

#[test]
fn output_byte_by_byte_is_no_attack() {
    let chunks = if crate::full() { 200_000 } else { 50_000 };
    let many = peak(chunks, 1);
    assert!(many < 8 * MEBIBYTE.cast_signed(), "{many} bytes lived at once");
}

/// Nobody reads for a while, and the guest has to wait.
#[test]
fn a_reader_who_waits_holds_a_window_and_no_more() {
    for (chunks, size) in [(1000, CHUNK_BYTES), (30_000, 1)] {
        let client = async |host: DuplexStream| {
            let talk = conversation();
            let connection = Connection::over(host).await.unwrap();
            let (guest, _) = connection.hello(talk.hello).await.unwrap();
            let (_input, mut output) = guest.exec(talk.command).await.unwrap();
            sleep(Duration::from_secs(120)).await;
            let mut taken = 0;
            loop {
                match output.next().await.unwrap() {
                    ExecEvent::Stdout(bytes) => taken += bytes.len(),
                    ExecEvent::Exited(_) => break taken,
                    event => assert!(matches!(event, ExecEvent::Started { pid: 42, .. })),
                }
            }
        };
        let (taken, growth) = weigh(|| honest(move || writes(chunks, size), client));
        assert_eq!(taken, chunks * size);
        assert!(growth.peak < 8 * MEBIBYTE.cast_signed(), "{growth:?}");
    }
}

/// Runs a command, and reads nothing for a while.
async fn wait<S>(host: S) -> Result<Transcript, GuestError>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let talk = conversation();
    let (guest, _) = Connection::over(host).await?.hello(talk.hello).await?;
    let (_input, mut output) = guest.exec(talk.command).await?;
    sleep(Duration::from_secs(5)).await;
    loop {
        // After the last event comes an error, too.
        output.next().await?;
    }
}

/// Starts a command, then sends `flood` over and over until the client hangs up.
fn endless(flood: &Guest, expected: &str) {
    let opening = Guest::started();
    for waits in [false, true] {
        let client = async |host| {
            if waits { wait(host).await } else { converse(host, conversation()).await }
        };
        let outcome = judged(|| {
            talk(client, async |mut said| {
                let _ = speak(&mut said, opening.bytes(), CALM, IDLE).await;
                while said.write_all(flood.bytes()).await.is_ok() {}
            })
        });
        let told = told(&outcome.result);
        assert!(told.contains(expected), "{told}");
        assert!(outcome.taken < 16 * MEBIBYTE, "{} bytes were heard", outcome.taken);
    }
}

#[test]
fn what_carries_nothing_ends() {
    let data =
        |payload: &[u8]| Guest::mute().flood(256, |guest| guest.frame(DATA, 0, EXEC, payload));
    let broke = "the guest broke its protocol";
    endless(&data(b""), broke);
    // Empty messages, whole and a byte at a time.
    endless(&data(b"\0\0\0\0\0"), broke);
    endless(&data(b"\0"), broke);
    endless(&Guest::mute().frame(HEADERS, END_HEADERS, EXEC, vec![0x90; 16 * 1024]), broke);
}

/// All that may wait at once: small data up to the library's budget, then headers up to ours.
#[test]
fn the_dearest_mixture_stays_within_bounds() {
    let opening = Guest::started().data(EXEC, &[0, 0, 3, 0, 0]);
    let tiny = |guest: Guest| guest.frame(DATA, 0, EXEC, [0]);
    let dense = |guest: Guest| guest.frame(HEADERS, END_HEADERS, EXEC, vec![0x90; 16 * 1024]);
    let ping = |guest: Guest| guest.frame(PING, 0, 0, [0; 8]);
    for (data, headers, pings) in [(16_384, 3, 900), (16_448, 3, 0), (8000, 0, 4000)] {
        let last = opening.clone().flood(data, tiny).flood(headers, dense).flood(pings, ping);
        let first = opening.clone().flood(headers, dense).flood(pings, ping).flood(data, tiny);
        for guest in [last, first] {
            judged(|| play(&guest.input(FRAMES)));
            judged(|| {
                talk(wait, async |mut said| {
                    let _ = speak(&mut said, guest.bytes(), FRAMES, IDLE).await;
                    sleep(Duration::from_secs(10)).await;
                })
            });
        }
    }
}
