//! A host at the other end of a connection in memory. Nothing here is greeted for real: that would
//! set this machine's clock.

use hyper_util::rt::TokioIo;
use kiln_proto::agent::v1::{
    ExecRequest, HelloRequest, OnlineRequest, ShutdownRequest, agent_client::AgentClient,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tonic::{
    Code,
    transport::{Channel, Endpoint},
};

use super::*;
use crate::{
    command::Limits,
    disk_watch::DiskWatch,
    disks::BlockDevices,
    exec::Engine,
    group::{EngineGroups, Group, Groups},
    reaper::tests::REAPER,
    service::Greeting,
};

/// No command may get as far as to ask for a group.
struct NoGroups;

impl Groups for NoGroups {
    fn create(&self, _: &Limits) -> io::Result<Box<dyn Group>> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn create_for_engine(&self, _: &Limits) -> io::Result<Arc<dyn EngineGroups>> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

fn service() -> Arc<Service> {
    let look = Box::new(|| rustix::fs::statfs("/proc"));
    let watch = DiskWatch::start(look).unwrap();
    let engine = Engine::new(Arc::clone(&REAPER), Arc::new(NoGroups), watch);
    let (milestones, power) = Default::default();
    Arc::new(Service::new(
        engine,
        Arc::new(BlockDevices),
        milestones,
        power,
        Greeting::Checked,
        None,
    ))
}

fn connection() -> DuplexStream {
    let (near, far) = tokio::io::duplex(64 * 1024);
    tokio::spawn(serve_connection(far, service()));
    near
}

async fn client() -> AgentClient<Channel> {
    let mut connection = Some(TokioIo::new(connection()));
    let connector = tower::service_fn(move |_| {
        let connection = connection.take().ok_or(io::ErrorKind::NotConnected);
        async move { connection.map_err(io::Error::from) }
    });
    let endpoint = Endpoint::from_static("http://guest");
    AgentClient::new(endpoint.connect_with_connector(connector).await.unwrap())
}

fn hello(protocol_version: u32, entropy: usize, hostname: &str) -> HelloRequest {
    HelloRequest {
        protocol_version,
        unix_nanos: 0,
        entropy: vec![0; entropy].into(),
        hostname: hostname.to_owned(),
        secret: vec![7; 32].into(),
        network: None,
    }
}

#[tokio::test]
async fn another_version_is_refused_and_both_are_named() {
    let refused = client().await.hello(hello(7, 0, "")).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert!(refused.message().contains("version 7"), "{refused:?}");
    assert!(refused.message().contains("version 2"), "{refused:?}");
}

#[tokio::test]
async fn too_little_entropy_is_no_greeting() {
    let mut client = client().await;
    assert_eq!(client.hello(hello(2, 31, "kiln")).await.unwrap_err().code(), Code::InvalidArgument);
    let refused = client.shutdown(ShutdownRequest {}).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
}

#[tokio::test]
async fn nothing_comes_before_hello() {
    let mut client = client().await;
    let requests = tokio_stream::iter([ExecRequest::default()]);
    assert_eq!(client.exec(requests).await.unwrap_err().code(), Code::FailedPrecondition);
    let refused = client.online(OnlineRequest {}).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    let refused = client.shutdown(ShutdownRequest {}).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
}

#[tokio::test]
async fn a_message_that_is_too_large_ends_the_call() {
    let refused = client().await.hello(hello(2, MAX_MESSAGE_BYTES + 1, "kiln")).await.unwrap_err();
    assert_eq!(refused.code(), Code::OutOfRange);
}

#[tokio::test]
async fn bytes_that_are_no_http_end_the_connection() {
    for bytes in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        &[0xff; 100],
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
    ] {
        let mut connection = connection();
        connection.write_all(bytes).await.unwrap();
        let mut answer = Vec::new();
        connection.read_to_end(&mut answer).await.unwrap();
        assert!(answer.len() < 4096, "{} bytes", answer.len());
    }
}
