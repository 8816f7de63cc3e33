//! What a build has of its client's: the engine calls back over a connection of its own.

mod exports;
mod files;
mod health;
mod secrets;
mod ssh;

use std::{convert::Infallible, path::Path, sync::Arc};

use bollard_buildkit_proto::{
    health::health_server::HealthServer,
    moby::{
        buildkit::secrets::v1::secrets_server::SecretsServer,
        filesync::v1::file_send_server::FileSendServer, sshforward::v1::ssh_server::SshServer,
    },
};
use hyper::{body::Incoming, server::conn::http2, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio_util::task::AbortOnDropHandle;
use tonic::{
    Request, Response, Status, Streaming,
    body::Body,
    codegen::{BoxFuture, Service as _, http},
    server::{Grpc, StreamingService},
};
use tonic_prost::ProstCodec;

pub(crate) use self::{
    exports::Exports,
    files::Directories,
    secrets::Secrets,
    ssh::{Agents, SshError},
};
use self::{files::Packet, health::Health};
use crate::engine::{EngineError, take_over};

/// As the engine's own are.
const MAX_MESSAGE_BYTES: usize = 16 << 20;
/// Patterns come as headers: a line of an ignore file each.
const MAX_HEADER_BYTES: u32 = 16 << 20;
/// Of each stream: exports come as fast as they are taken.
const WINDOW_BYTES: u32 = 2 << 20;

const METHODS: [&str; 6] = [
    "/grpc.health.v1.Health/Check",
    "/moby.buildkit.secrets.v1.Secrets/GetSecret",
    FILES,
    "/moby.filesync.v1.FileSend/DiffCopy",
    "/moby.sshforward.v1.SSH/CheckAgent",
    "/moby.sshforward.v1.SSH/ForwardAgent",
];
const FILES: &str = "/moby.filesync.v1.FileSync/DiffCopy";

/// All that the engine may ask for.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) directories: Directories,
    pub(crate) exports: Exports,
    pub(crate) secrets: Secrets,
    pub(crate) agents: Agents,
}

impl Session {
    /// Serves until it is dropped, or the engine hangs up.
    pub(crate) async fn serve(
        self,
        engine: &Path,
        id: &str,
    ) -> Result<AbortOnDropHandle<()>, EngineError> {
        let mut headers = vec![
            ("X-Docker-Expose-Session-Uuid", id),
            ("X-Docker-Expose-Session-Name", "kiln"),
            // Nobody else's: what an earlier build sent is not taken for this one's.
            ("X-Docker-Expose-Session-Sharedkey", id),
        ];
        headers.extend(METHODS.map(|method| ("X-Docker-Expose-Session-Grpc-Method", method)));
        let stream = take_over(engine, "/session", &headers).await?;
        let services = Services::from(self);
        let call = service_fn(move |request| {
            let services = services.clone();
            async move { Ok::<_, Infallible>(services.call(request).await) }
        });
        let connection = http2::Builder::new(TokioExecutor::new())
            .initial_stream_window_size(WINDOW_BYTES)
            .initial_connection_window_size(2 * WINDOW_BYTES)
            .max_header_list_size(MAX_HEADER_BYTES)
            .serve_connection(TokioIo::new(stream), call);
        // Without it the engine ends the build, and says why.
        Ok(AbortOnDropHandle::new(tokio::spawn(async { drop(connection.await) })))
    }
}

#[derive(Clone)]
struct Services {
    directories: Arc<Directories>,
    exports: FileSendServer<Exports>,
    secrets: SecretsServer<Secrets>,
    agents: SshServer<Agents>,
    health: HealthServer<Health>,
}

impl From<Session> for Services {
    fn from(session: Session) -> Self {
        let Session { directories, exports, secrets, agents } = session;
        Self {
            directories: Arc::new(directories),
            exports: FileSendServer::new(exports).max_decoding_message_size(MAX_MESSAGE_BYTES),
            secrets: SecretsServer::new(secrets),
            agents: SshServer::new(agents),
            health: HealthServer::new(Health),
        }
    }
}

impl Services {
    async fn call(mut self, request: http::Request<Incoming>) -> http::Response<Body> {
        let path = request.uri().path();
        let service = path.rsplit_once('/').map_or("", |(service, _)| service);
        let answer = match service {
            _ if path == FILES => return files(self.directories, request).await,
            "/moby.filesync.v1.FileSend" => self.exports.call(request).await,
            "/moby.buildkit.secrets.v1.Secrets" => self.secrets.call(request).await,
            "/moby.sshforward.v1.SSH" => self.agents.call(request).await,
            "/grpc.health.v1.Health" => self.health.call(request).await,
            // Credentials too: there are none here, and the engine takes it so.
            _ => return Status::unimplemented(format!("{path} is not here")).into_http(),
        };
        answer.unwrap_or_else(|never| match never {})
    }
}

/// By hand, since names on the wire need not be text.
async fn files(
    directories: Arc<Directories>,
    request: http::Request<Incoming>,
) -> http::Response<Body> {
    struct Send(Arc<Directories>);
    impl StreamingService<Packet> for Send {
        type Response = Packet;
        type ResponseStream = files::Packets;
        type Future = BoxFuture<Response<Self::ResponseStream>, Status>;

        fn call(&mut self, request: Request<Streaming<Packet>>) -> Self::Future {
            let sent = self.0.send(request);
            Box::pin(async { sent })
        }
    }
    Grpc::new(ProstCodec::default())
        .apply_max_message_size_config(Some(MAX_MESSAGE_BYTES), None)
        .streaming(Send(directories), request)
        .await
}

#[cfg(test)]
mod tests;
