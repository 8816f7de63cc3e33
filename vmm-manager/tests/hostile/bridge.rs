//! What answers a call instead of a bridge, and how long a call lasts.

use std::{path::Path, time::Duration};

use async_trait::async_trait;
use kiln_vmm_manager::{
    guest::{GuestError, connect},
    vmm::{Machine, MachineStatus, SerialTail, VmExit, VmmError},
};
use tokio::{
    io::AsyncWriteExt as _,
    net::UnixListener,
    time::{Instant, sleep},
};

use crate::{agent::Guest, play::conversation};

pub(crate) const LIMIT: Duration = Duration::from_secs(3);

/// Runs until it ends as it was told to.
#[derive(Debug)]
pub(crate) struct Machinery {
    ends_after: Option<Duration>,
    console: &'static [u8],
}

#[async_trait]
impl Machine for Machinery {
    async fn wait(&self) -> VmExit {
        match self.ends_after {
            Some(time) => sleep(time).await,
            None => std::future::pending().await,
        }
        VmExit::Reset
    }

    async fn serial(&self) -> SerialTail {
        SerialTail { bytes: self.console.to_vec(), dropped: 0 }
    }

    async fn boot(&self) -> Result<(), VmmError> {
        unreachable!("a call only waits")
    }

    async fn status(&self) -> MachineStatus {
        unreachable!("a call only waits")
    }

    async fn press_power_button(&self) -> Result<(), VmmError> {
        unreachable!("a call only waits")
    }

    async fn shut_down(&self) -> Result<(), VmmError> {
        unreachable!("a call only waits")
    }

    async fn kill(&self) -> VmExit {
        unreachable!("a call only waits")
    }

    fn leave(self: Box<Self>) {
        unreachable!("a call only waits")
    }

    fn name(&self) -> &'static str {
        "hostile"
    }

    fn vsock_socket(&self) -> &Path {
        unreachable!("a call is told where")
    }
}

pub(crate) const RUNS: Machinery = Machinery { ends_after: None, console: b"" };

/// Answers every call with `answer`, then closes it or leaves it open; and greets.
async fn called(answer: &[u8], close: bool, machine: &Machinery) -> Result<(), GuestError> {
    let directory = tempfile::tempdir().expect("a directory");
    let socket = directory.path().join("vsock.sock");
    let listener = UnixListener::bind(&socket).expect("a socket");
    let bridge = async {
        let mut open = Vec::new();
        loop {
            let (mut stream, _) = listener.accept().await.expect("a call");
            let _ = stream.write_all(answer).await;
            if !close {
                open.push(stream);
            }
        }
    };
    tokio::select! {
        result = async {
            let connection = connect(&socket, LIMIT, machine).await?;
            connection.hello(conversation().hello).await.map(drop)
        } => result,
        () = bridge => unreachable!("it never ends"),
    }
}

async fn check(answer: &[u8], expected: &str) {
    for close in [true, false] {
        let before = Instant::now();
        let error = called(answer, close, &RUNS).await.expect_err("there is no agent");
        let told = error.to_string();
        assert!(told.contains(expected), "{answer:?}, closed {close}: {told}");
        assert!(!told.contains(char::is_control), "{told:?}");
        assert!(before.elapsed() < LIMIT * 10, "{:?}", before.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn silence_has_its_limit() {
    check(b"", "no answer to the call within 3s").await;
    check(b"O", "no answer to the call within 3s").await;
    check(b"OK 1073741824", "no answer to the call within 3s").await;
}

#[tokio::test(start_paused = true)]
async fn what_is_no_bridge_is_told() {
    check(b"\n", "as an answer to CONNECT").await;
    check(b"ERROR\n", "\"ERROR\" as an answer to CONNECT").await;
    check(b"OK \x1b[2J\n", "\"OK \\x1b[2J\" as an answer to CONNECT").await;
    check(b"OK 99999999999\n", "an endless answer to CONNECT").await;
    check(&b"9".repeat(100_000), "an endless answer to CONNECT").await;
    check(&[0; 100], "an endless answer to CONNECT").await;
}

#[tokio::test(start_paused = true)]
async fn what_follows_at_once_is_the_guests() {
    let early = |bytes: &[u8]| [b"OK 1\n", bytes].concat();
    check(&early(b""), "the guest").await;
    check(&early(b"HTTP/1.1 400 Bad Request\r\n\r\n"), "the guest").await;
    check(&early(&[0xff; 4096]), "the guest").await;
    // Answers to what was not asked yet.
    check(&early(Guest::started().bytes()), "the guest").await;
}

#[tokio::test(start_paused = true)]
async fn a_machine_that_ends_ends_the_call() {
    let console = b"Kernel panic - not syncing: \x1b[31mno init";
    let machine = Machinery { ends_after: Some(Duration::from_secs(1)), console };
    let before = Instant::now();
    let error = called(b"", false, &machine).await.expect_err("it has ended");
    assert!(before.elapsed() < Duration::from_secs(2), "{:?}", before.elapsed());
    let told = error.to_string();
    assert!(told.contains("the machine ended during the call: the guest reset itself"), "{told}");
    assert!(told.contains("\u{fffd}[31mno init"), "{told}");
}
