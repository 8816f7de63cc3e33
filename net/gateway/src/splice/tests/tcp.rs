use std::time::{Duration, Instant};

use kiln_net::{name::Name, policy::Protocol, record::Reason};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{
    Heard, hear, passes, refused,
    world::{drain, world},
};
use crate::client_hello::tests::build::Build;

const POLICY: &str = "allow=one.test:22/tcp,one.test:443,two.test:443/tcp";
const ONE: &str = "203.0.113.1:22";

#[test]
fn the_address_alone_decides() {
    world(POLICY, async |world| {
        world.admit("one.test", "203.0.113.1");
        world.echo(ONE).await;
        passes(world, ONE, b"SSH-2.0-OpenSSH\r\n").await;
        passes(world, ONE, b"\x16\x03\x01").await;
        passes(world, ONE, b"GET / HTTP/1.1\r\nHost: other.test\r\n\r\n").await;
        refused(world, "203.0.113.2:22", b"SSH-2.0", None, Reason::NotAllowed).await;
    });
}

#[test]
fn who_speaks_first_need_not_be_the_guest() {
    world(POLICY, async |world| {
        world.admit("one.test", "203.0.113.1");
        world
            .host(ONE, async |mut stream: TcpStream| {
                stream.write_all(b"SSH-2.0-host\r\n").await.expect("said");
                assert_eq!(drain(&mut stream).await, b"bye");
            })
            .await;
        let mut guest = world.connect(ONE).await;
        assert_eq!(hear(&mut guest, 14).await, Heard::Bytes(b"SSH-2.0-host\r\n".to_vec()));
        guest.write_all(b"bye").await.expect("said");
        guest.shutdown().await.expect("an end");
        assert_eq!(hear(&mut guest, 1).await, Heard::End);
        let flows = world.flows();
        assert_eq!((flows[0].sent_bytes, flows[0].received_bytes), (3, 14));
        assert_eq!(flows[0].protocol, Some(Protocol::Tcp));
    });
}

#[test]
fn either_end_may_end_first() {
    world(POLICY, async |world| {
        world.admit("one.test", "203.0.113.1");
        world
            .host(ONE, async |mut stream: TcpStream| {
                stream.write_all(b"all").await.expect("said");
                stream.shutdown().await.expect("an end");
                let mut bytes = Vec::new();
                stream.read_to_end(&mut bytes).await.expect("the rest");
                assert_eq!(bytes.len(), 1 << 20);
            })
            .await;
        let mut guest = world.connect(ONE).await;
        assert_eq!(drain_only(&mut guest).await, b"all");
        guest.write_all(&vec![7; 1 << 20]).await.expect("said");
        guest.shutdown().await.expect("an end");
        let begun = Instant::now();
        while world.flows()[0].sent_bytes < 1 << 20 {
            assert!(begun.elapsed() < super::SOON);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
}

async fn drain_only(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.expect("an end");
    bytes
}

#[test]
fn a_reset_goes_through() {
    world(POLICY, async |world| {
        world.admit("one.test", "203.0.113.1");
        world
            .host(ONE, async |mut stream: TcpStream| {
                let mut byte = [0];
                stream.read_exact(&mut byte).await.expect("a byte");
                crate::splice::origin::reset(&stream);
            })
            .await;
        let mut guest = world.connect(ONE).await;
        guest.write_all(b"x").await.expect("said");
        assert_eq!(hear(&mut guest, 1).await, Heard::Reset);
        assert_eq!(world.refusals(), []);
        assert_eq!(world.flows()[0].sent_bytes, 1);
    });
}

#[test]
fn a_host_that_is_not_there_is_told() {
    world(POLICY, async |world| {
        world.admit("one.test", "203.0.113.1");
        refused(world, ONE, b"x", Some("one.test"), Reason::Unreachable).await;
        // Its second address answers.
        world.admit("one.test", "203.0.113.2");
        world.echo("203.0.113.2:22").await;
        passes(world, ONE, b"x").await;
        assert_eq!(world.flows()[0].address.to_string(), "203.0.113.2");
    });
}

#[test]
fn where_tls_and_tcp_share_an_address_the_name_is_the_right_one() {
    world(POLICY, async |world| {
        world.admit("one.test", "203.0.113.1");
        world.admit("two.test", "203.0.113.1");
        let address = "203.0.113.1:443";
        world.echo(address).await;
        passes(world, address, &Build::named("one.test").bytes()).await;
        passes(world, address, &Build::named("three.test").bytes()).await;
        passes(world, address, b"anything").await;
        let flows = world.flows();
        let seen: Vec<_> = flows
            .iter()
            .map(|flow| (flow.name.as_ref().map(Name::as_str), flow.protocol))
            .collect();
        let tcp = (Some("two.test"), Some(Protocol::Tcp));
        assert_eq!(seen, [(Some("one.test"), Some(Protocol::Tls)), tcp]);
    });
}
