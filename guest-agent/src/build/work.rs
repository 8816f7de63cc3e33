//! A build while its client runs, and at its end.

use std::sync::Arc;

use kiln_proto::agent::v1::{DiskFull, ExecExited, exec_exited::Status as WireStatus};
use tonic::async_trait;

use super::{
    engine::Ready,
    export::Exports,
    files::Files,
    progress::{End, Translator},
    relay::Socket,
};
use crate::{
    disk_watch::Watching,
    exec::{Output, Work},
    group::Memory,
    offload::offload,
};

pub(super) struct BuildWork {
    pub(super) engine: Arc<Ready>,
    pub(super) translator: Translator,
    pub(super) exports: Exports,
    pub(super) files: Files,
    /// For their drop.
    pub(super) sockets: Vec<Socket>,
    /// At the engine's disk.
    pub(super) watching: Watching,
    /// Where that is mounted.
    pub(super) state: String,
}

#[async_trait]
impl Work for BuildWork {
    fn translate(&mut self, output: Output, data: &[u8]) -> Vec<u8> {
        match output {
            Output::Stderr => self.translator.feed(2, data),
            Output::Stdout => self.translator.feed(1, data),
        }
    }

    async fn finish(self: Box<Self>, exited: &mut ExecExited, memory: Memory) -> Vec<u8> {
        let Self { engine, translator, exports, files, sockets, watching, state } = *self;
        drop(sockets);
        // One that goes without a word of what became of the build has not made it.
        if exited.status == Some(WireStatus::Code(0)) && !translator.is_done() {
            exited.status = Some(WireStatus::Code(1));
        }
        let succeeded = exited.status == Some(WireStatus::Code(0));
        let exported = exports.end(succeeded).await;
        // Secrets go before anybody hears of the end. Nobody's memory is left where it cannot be
        // cleared: then it goes with the VM.
        let _ = offload("build", move || drop(files)).await;
        if let Some(full) = watching.finish().await {
            exited.disk_full.get_or_insert(DiskFull {
                mount: state,
                size_bytes: full.size_bytes,
                inodes: full.inodes,
            });
        }
        // A step that was killed is one process of many: whoever asked for it may have lived on.
        exited.out_of_memory = memory.kills > 0 && !succeeded && !exited.timed_out;
        let code = match exited.status {
            Some(WireStatus::Code(code)) => Some(code),
            _ => None,
        };
        translator.finish(match exported {
            Ok(()) => End { code, full_disk: None, note: engine.end() },
            Err((disk, refused)) => End {
                // Whatever the client says: what it has written is not there.
                code: code.filter(|code| *code != 0),
                full_disk: refused.is_no_room().then_some(disk),
                note: Some(format!("what is exported cannot be kept: {}", refused.message())),
            },
        })
    }
}
