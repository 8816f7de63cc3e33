//! One connection to an ssh agent.

use kiln_proto::agent::v1::SshFrame;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixStream,
    sync::mpsc,
};
use tonic::Status;

/// An agent's messages are shorter than most.
const READ_BYTES: usize = 16 * 1024;

/// Both ways, until either end is closed, or the host has not enough patience to listen.
///
/// # Cancel safety
/// What was read and not yet told is lost; the connection must be over then.
pub(super) async fn relay(
    socket: UnixStream,
    number: u32,
    id: String,
    answers: &mpsc::Sender<Result<SshFrame, Status>>,
    mut said: mpsc::Receiver<Vec<u8>>,
) {
    let (mut from, mut to) = socket.into_split();
    let tell = async |frame| answers.send(Ok(frame)).await.is_ok();
    // That it is open is told at once: the host dials while we wait for the first word.
    let opened = SshFrame { connection: number, id, ..Default::default() };
    if !tell(opened).await {
        return;
    }
    let hear = async {
        let mut buffer = vec![0; READ_BYTES];
        loop {
            match from.read(&mut buffer).await {
                Ok(length) if length > 0 => {
                    let data = buffer[..length].to_vec().into();
                    let frame = SshFrame { connection: number, data, ..Default::default() };
                    if !tell(frame).await {
                        return;
                    }
                }
                _ => return,
            }
        }
    };
    let say = async {
        while let Some(data) = said.recv().await {
            if to.write_all(&data).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = hear => {}
        () = say => {}
    }
    tell(SshFrame { connection: number, closed: true, ..Default::default() }).await;
}
