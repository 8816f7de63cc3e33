//! What a VMM is told by its host, as QEMU is over its monitor: a line, and a line back.

use std::io;

use anyhow::{Context as _, ensure};
use kiln_vmm_manager::host;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::UnixStream,
};

/// Its socket, in the machine's directory.
pub(super) const SOCKET: &str = "run/vmm.sock";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    Boot,
    Status,
    /// The power button.
    Power,
    /// Ends in order, without asking the guest.
    End,
}

impl Order {
    const ALL: [Self; 4] = [Self::Boot, Self::Status, Self::Power, Self::End];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Boot => "boot",
            Self::Status => "status",
            Self::Power => "power",
            Self::End => "end",
        }
    }

    /// Gives the order, and answers what was said.
    pub(super) async fn send(self, socket: &std::path::Path) -> anyhow::Result<String> {
        let mut stream = host::connect(socket).await.context("the stub's switchboard")?;
        stream.write_all(format!("{}\n", self.name()).as_bytes()).await?;
        let mut answer = String::new();
        BufReader::new(stream).read_line(&mut answer).await?;
        ensure!(answer.ends_with('\n'), "the stub hung up on {:?}", self.name());
        Ok(answer.trim_end().to_owned())
    }
}

/// Reads one order, and answers what `obey` says.
pub(super) async fn take_order(
    stream: UnixStream,
    obey: impl FnOnce(Order) -> &'static str,
) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    stream.read_line(&mut line).await?;
    let order = Order::ALL.into_iter().find(|order| order.name() == line.trim_end());
    let answer = order.map_or("no such order", obey);
    stream.write_all(format!("{answer}\n").as_bytes()).await
}
