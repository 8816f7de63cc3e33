//! The socket of a guest's vsock, as the host finds it. Nobody listens in a null guest.

use std::time::Duration;

use kiln_vmm_manager::vmm::{Machine, MachineStatus, null_guest::Errand};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixStream,
    time::timeout,
};

use crate::stage::Stage;

const QUIET: Duration = Duration::from_millis(150);

/// What is said to whom, and what comes back: nothing, and mostly the end.
async fn says(machine: &dyn Machine, what: &[u8]) {
    let mut stream = UnixStream::connect(machine.vsock_socket()).await.unwrap();
    // It may hang up before it has heard all.
    let _ = stream.write_all(what).await;
    let mut answer = Vec::new();
    let _hung_up_or_silent = timeout(QUIET, stream.read_to_end(&mut answer)).await;
    let shown = String::from_utf8_lossy(what);
    assert!(answer.is_empty(), "{shown:?} is answered by {answer:?}");
}

pub(crate) async fn nobody_is_reached_where_nobody_listens() {
    let stage = Stage::new().await;
    let machine = stage.booted(Errand::Halt).await;
    let long = [b"CONNECT ".as_slice(), &[b'1'; 5000]].concat();
    for what in [
        b"CONNECT 1\n".as_slice(),
        b"CONNECT 1024\n",
        b"CONNECT 4294967295\n",
        b"CONNECT 4294967296\n",
        b"CONNECT -1\n",
        b"CONNECT 0x10\n",
        b"CONNECT\n",
        b"CONNECT \n",
        b"CONNECT 1024 1025\n",
        b"connect 1024\n",
        b"CONNECT 1024",
        b"GET / HTTP/1.1\r\n\r\n",
        b"OK 1024\n",
        b"\n",
        b"\0\0\0\0\0\0\0\0",
        b"",
        &long,
    ] {
        says(machine.as_ref(), what).await;
    }
    // Many at once, none of which says a word.
    let mut silent = Vec::new();
    for _ in 0..100 {
        silent.push(UnixStream::connect(machine.vsock_socket()).await);
    }
    assert_eq!(machine.status().await, MachineStatus::Running);
    drop(silent);
    says(machine.as_ref(), b"CONNECT 1024\n").await;
    assert_eq!(machine.status().await, MachineStatus::Running);
    machine.kill().await;
}
