use kiln_net::{
    control::{Ask, Opening, Tell},
    policy::Protocol,
    record::Reason,
};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::UnixStream,
};

use super::{
    passes, refused,
    world::{World, world},
};

/// A daemon that opens `mirror.test:5000` and `second.test:6000`, whose services are echoes.
async fn daemon(world: &World) {
    let socket = world.control();
    let mut control = UnixStream::connect(&socket).await.expect("the gateway");
    control.write_all(&line(&Opening::Hello {})).await.expect("said");
    tokio::spawn(async move {
        let (reader, mut writer) = control.into_split();
        let mut lines = BufReader::new(reader).lines();
        while let Ok(Some(text)) = lines.next_line().await {
            let Ok(Ask::Dial { id, endpoint }) = serde_json::from_str(&text) else { continue };
            if endpoint.name.as_str() == "first.test" {
                let reason = "it is not there".to_owned();
                writer.write_all(&line(&Tell::Failed { id, reason })).await.expect("said");
                continue;
            }
            let mut stream = UnixStream::connect(&socket).await.expect("the gateway");
            stream.write_all(&line(&Opening::Stream { id })).await.expect("said");
            tokio::spawn(async move {
                let (mut reader, mut writer) = stream.split();
                let _ = tokio::io::copy(&mut reader, &mut writer).await;
            });
        }
    });
}

fn line(message: &impl serde::Serialize) -> Vec<u8> {
    let mut line = serde_json::to_vec(message).expect("JSON");
    line.push(b'\n');
    line
}

#[test]
fn a_service_of_the_operators_is_reached_at_the_gateway_alone() {
    world("none", async |world| {
        let gateway = "198.51.100.1:5000";
        // Nobody dials: it ends when the ask does.
        refused(world, gateway, b"x", Some("mirror.test"), Reason::Unreachable).await;
        daemon(world).await;
        passes(world, gateway, b"GET /v2/ HTTP/1.1\r\n\r\n").await;
        passes(world, "[2001:db8:1::1]:5000", &vec![7; 1 << 20]).await;
        refused(world, "198.51.100.1:5001", b"x", None, Reason::NotAllowed).await;
        refused(world, "203.0.113.1:5000", b"x", None, Reason::NotAllowed).await;

        // Which of two it is, is known by what was asked for.
        let shared = "198.51.100.1:6000";
        refused(world, shared, b"x", None, Reason::NotAllowed).await;
        world.admit("second.test", "198.51.100.1");
        passes(world, shared, b"x").await;
        world.admit("first.test", "198.51.100.1");
        refused(world, shared, b"x", None, Reason::NotAllowed).await;

        let flows = world.flows();
        let seen: Vec<_> = flows
            .iter()
            .map(|flow| (flow.name.as_ref().map_or("", |name| name.as_str()), flow.sent_bytes))
            .collect();
        assert_eq!(seen, [("mirror.test", 21), ("mirror.test", 1 << 20), ("second.test", 1)]);
        assert_eq!(flows[0].protocol, Some(Protocol::Tcp));
    });
}
