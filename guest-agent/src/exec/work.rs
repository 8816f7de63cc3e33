//! What is done for a command beyond what is done for every one.

use std::sync::Arc;

use kiln_proto::agent::v1::ExecExited;
use tokio::sync::oneshot;
use tonic::async_trait;

use super::output::Output;
use crate::{
    command::Command,
    group::{Groups, Memory},
};

/// Of one command.
#[async_trait]
pub(crate) trait Work: Send {
    /// What the host is told instead of `data`, on stdout.
    fn translate(&mut self, output: Output, data: &[u8]) -> Vec<u8>;

    /// Nothing of the command runs any more. Returns what the host is told behind all else, and
    /// completes how it is told to have ended.
    async fn finish(self: Box<Self>, exited: &mut ExecExited, memory: Memory) -> Vec<u8>;
}

/// A command that is ready to be born.
pub(crate) struct Prepared {
    pub(crate) command: Command,
    pub(crate) groups: Arc<dyn Groups>,
    pub(crate) work: Box<dyn Work>,
    /// Told when the command has nothing more to do: it is killed. Dropped, it means nothing.
    pub(crate) stop: oneshot::Receiver<()>,
}
