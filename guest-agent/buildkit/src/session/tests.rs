//! A session as the engine sees it: over a connection that was taken over.

use std::{collections::HashMap, fs, path::Path};

use bollard_buildkit_proto::{
    fsutil::types::{Packet as Theirs, packet::PacketType},
    health::{HealthCheckRequest, health_client::HealthClient},
    moby::{
        buildkit::secrets::v1::{GetSecretRequest, secrets_client::SecretsClient},
        filesync::{
            packet::file_sync_client::FileSyncClient,
            v1::{
                BytesMessage, CredentialsRequest, auth_client::AuthClient,
                file_send_client::FileSendClient,
            },
        },
        sshforward::v1::{CheckAgentRequest, ssh_client::SshClient},
    },
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixListener,
};
use tonic::{Code, codegen::http::Uri};

use super::*;
use crate::engine::Calls;

fn origin() -> Uri {
    Uri::from_static("http://client")
}

/// The engine's calls, and what it was told at first.
async fn engine(session: Session, socket: &Path) -> (Calls, String, AbortOnDropHandle<()>) {
    let listener = UnixListener::bind(socket).unwrap();
    let accepted = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        stream.write_all(b"HTTP/1.1 101 Switching Protocols\r\n\r\n").await.unwrap();
        (Calls::over(stream).await.unwrap(), String::from_utf8(head).unwrap())
    });
    let served = session.serve(socket, "one").await.unwrap();
    let (calls, head) = accepted.await.unwrap();
    (calls, head, served)
}

fn request<T>(content: T, metadata: &[(&'static str, &str)]) -> Request<T> {
    let mut request = Request::new(content);
    for (key, value) in metadata {
        request.metadata_mut().insert(*key, value.parse().unwrap());
    }
    request
}

#[tokio::test]
async fn the_engine_finds_all_that_it_is_told_of() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    for name in ["context/file", "token", "first", "second"] {
        fs::create_dir_all(path(name).parent().unwrap()).unwrap();
        fs::write(path(name), name).unwrap();
    }
    let session = Session {
        directories: Directories(HashMap::from([("context".into(), path("context"))])),
        exports: Exports(vec![path("first"), path("second")]),
        secrets: Secrets(HashMap::from([("id".into(), path("token"))])),
        agents: Agents::default(),
    };
    let (calls, head, served) = engine(session, &path("socket")).await;
    for line in [
        "X-Docker-Expose-Session-Uuid: one",
        "X-Docker-Expose-Session-Grpc-Method: /moby.filesync.v1.FileSync/DiffCopy",
        "X-Docker-Expose-Session-Grpc-Method: /moby.filesync.v1.FileSend/DiffCopy",
        "X-Docker-Expose-Session-Grpc-Method: /moby.buildkit.secrets.v1.Secrets/GetSecret",
        "X-Docker-Expose-Session-Grpc-Method: /moby.sshforward.v1.SSH/ForwardAgent",
    ] {
        assert!(head.lines().any(|one| one == line), "{head}");
    }

    let mut health = HealthClient::with_origin(calls.clone(), origin());
    let answer = health.check(HealthCheckRequest::default()).await.unwrap().into_inner();
    assert_eq!(answer.status, 1);

    let mut secrets = SecretsClient::with_origin(calls.clone(), origin());
    let wanted = GetSecretRequest { id: "id".into(), ..Default::default() };
    assert_eq!(secrets.get_secret(wanted).await.unwrap().into_inner().data, b"token");

    let mut agents = SshClient::with_origin(calls.clone(), origin());
    let status = agents.check_agent(CheckAgentRequest::default()).await.unwrap_err();
    assert_eq!(status.message(), "unset ssh forward key default");

    let mut exports = FileSendClient::with_origin(calls.clone(), origin());
    let pieces = || tokio_stream::iter([b"one ".to_vec(), b"other".to_vec()]);
    for (id, wanted) in [("1", Ok("second")), ("2", Err(())), ("x", Err(()))] {
        let pieces = tokio_stream::StreamExt::map(pieces(), |data| BytesMessage { data });
        let sent = request(pieces, &[("buildkit-attachable-exporter-id", id)]);
        let ended = exports.diff_copy(sent).await;
        match wanted {
            Ok(name) => {
                assert!(ended.unwrap().into_inner().message().await.unwrap().is_none());
                assert_eq!(fs::read(path(name)).unwrap(), b"one other");
            }
            Err(()) => assert!(ended.is_err(), "exporter {id}"),
        }
    }
    assert_eq!(fs::read(path("first")).unwrap(), b"first");

    let mut files = FileSyncClient::with_origin(calls.clone(), origin());
    let asked = [PacketType::PacketReq, PacketType::PacketFin]
        .map(|kind| Theirs { r#type: kind.into(), ..Theirs::default() });
    let asked = request(tokio_stream::iter(asked), &[("dir-name", "context")]);
    let mut packets = files.diff_copy(asked).await.unwrap().into_inner();
    let mut heard = Vec::new();
    while let Some(packet) = packets.message().await.unwrap() {
        let path = packet.stat.map(|stat| stat.path).unwrap_or_default();
        heard.push((packet.r#type, path, packet.data));
    }
    let expected = [
        (PacketType::PacketStat, "file", ""),
        (PacketType::PacketStat, "", ""),
        (PacketType::PacketData, "", "context/file"),
        (PacketType::PacketData, "", ""),
        (PacketType::PacketFin, "", ""),
    ];
    assert_eq!(
        heard,
        expected.map(|(kind, path, data)| (kind.into(), path.to_owned(), data.into()))
    );

    let mut credentials = AuthClient::with_origin(calls, origin());
    let status = credentials.credentials(CredentialsRequest::default()).await.unwrap_err();
    assert_eq!(status.code(), Code::Unimplemented);

    // The client's end is the session's.
    drop(served);
    assert!(health.check(HealthCheckRequest::default()).await.is_err());
}
