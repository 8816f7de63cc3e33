//! Listens on vsock and serves the agent on each connection.
//!
//! Through hyper and not through tonic's own server: that one brings a router for many services
//! along, and this binary is loaded into every guest before its first instruction.

use std::{
    collections::VecDeque, convert::Infallible, future::Future, io, sync::Arc, time::Duration,
};

use hyper::{body::Incoming, server::conn::http2, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use kiln_proto::agent::{MAX_CHUNK_BYTES, MAX_MESSAGE_BYTES, PORT, v1::agent_server::AgentServer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::task::AbortOnDropHandle;
use tokio_vsock::{VMADDR_CID_ANY, VMADDR_CID_HOST, VsockAddr, VsockListener};
use tonic::codegen::Service as _;

use crate::{
    kmsg,
    service::{Connection, Service},
    transport::CappedStream,
};

/// The host has one connection per job, and may have lost others.
const MAX_CONNECTIONS: usize = 16;
/// Streams of one connection, each with a window of its own.
const MAX_STREAMS: u32 = 64;
/// What the host may send on a stream before the command has read it: two chunks.
const STREAM_WINDOW_BYTES: u32 = 128 * 1024;
/// All streams together: commands that do not read their stdin cannot starve the others.
const CONNECTION_WINDOW_BYTES: u32 = MAX_STREAMS * STREAM_WINDOW_BYTES;
/// What a stream may have encoded and not written: with more, a slow host would be noticed later.
const SEND_BUFFER_BYTES: usize = 2 * MAX_CHUNK_BYTES;
const MAX_HEADER_BYTES: u32 = 16 * 1024;
/// After an accept that failed, for want of descriptors or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// From here on the kernel takes connections, and keeps what the host says until it is served.
pub(crate) fn listen() -> io::Result<VsockListener> {
    VsockListener::bind(VsockAddr::new(VMADDR_CID_ANY, PORT))
}

/// Serves until the process ends.
pub(crate) async fn serve(listener: VsockListener, service: Arc<Service>) {
    let mut server = Server::new(service);
    loop {
        match listener.accept().await {
            // A process in the guest can connect too, where the kernel loops vsock back.
            Ok((_, peer)) if peer.cid() != VMADDR_CID_HOST => {
                kmsg::error(format_args!("a connection from cid {} was refused", peer.cid()));
            }
            Ok((stream, _)) => server.serve(stream),
            Err(error) => {
                kmsg::error(format_args!("no connection can be accepted: {error}"));
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Everybody's connections. A host that comes back is served at once, however many of its earlier
/// connections linger: the oldest one makes room. Dropping it ends them all.
pub(crate) struct Server {
    service: Arc<Service>,
    /// Oldest first.
    connections: VecDeque<AbortOnDropHandle<()>>,
}

impl Server {
    pub(crate) fn new(service: Arc<Service>) -> Self {
        Self { service, connections: VecDeque::new() }
    }

    pub(crate) fn serve(&mut self, stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) {
        self.connections.retain(|connection| !connection.is_finished());
        if self.connections.len() == MAX_CONNECTIONS {
            self.connections.pop_front();
            kmsg::info(format_args!("the oldest of {MAX_CONNECTIONS} connections was ended"));
        }
        let served = serve_connection(stream, Arc::clone(&self.service));
        self.connections.push_back(AbortOnDropHandle::new(tokio::spawn(async move {
            if let Err(error) = served.await {
                kmsg::info(format_args!("a connection ended: {error}"));
            }
        })));
    }
}

fn serve_connection(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    service: Arc<Service>,
) -> impl Future<Output = hyper::Result<()>> {
    let agent = AgentServer::from_arc(service)
        .max_decoding_message_size(MAX_MESSAGE_BYTES)
        .max_encoding_message_size(MAX_MESSAGE_BYTES);
    let connection = Arc::new(Connection::default());
    let call = service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(Arc::clone(&connection));
        let mut agent = agent.clone();
        async move {
            Ok::<_, Infallible>(agent.call(request).await.unwrap_or_else(|never| match never {}))
        }
    });
    http2::Builder::new(TokioExecutor::new())
        .max_concurrent_streams(MAX_STREAMS)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_send_buf_size(SEND_BUFFER_BYTES)
        .max_header_list_size(MAX_HEADER_BYTES)
        .serve_connection(TokioIo::new(CappedStream::new(stream)), call)
}

#[cfg(test)]
mod tests;
