use kiln_net::{policy::Protocol, record::Reason};
use tokio::{io::AsyncWriteExt, net::TcpStream};

use super::{Heard, hear, passes, refused, world::world};
use crate::client_hello::tests::build::Build;

#[test]
fn what_it_is_is_found_out() {
    world("record", async |world| {
        world.admit("one.test", "203.0.113.1");
        world.admit("two.test", "203.0.113.1");
        for address in ["203.0.113.1:443", "203.0.113.1:8080"] {
            world.echo(address).await;
        }
        let greets = async |mut stream: TcpStream| {
            stream.write_all(b"220 hello\r\n").await.expect("said");
            let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
        };
        world.host("203.0.113.1:25", greets).await;
        passes(world, "203.0.113.1:443", &Build::named("two.test").bytes()).await;
        passes(world, "203.0.113.1:8080", b"GET / HTTP/1.1\r\nHost: one.test:8080\r\n\r\n").await;
        passes(
            world,
            "203.0.113.1:8080",
            b"GET / HTTP/1.1\r\nHost: two.test\r\nUpgrade: x\r\n\r\n",
        )
        .await;
        passes(world, "203.0.113.1:443", &Build::default().bytes()).await;
        passes(world, "203.0.113.1:443", b"SSH-2.0-x\r\n").await;
        let mut guest = world.connect("203.0.113.1:25").await;
        assert_eq!(hear(&mut guest, 11).await, Heard::Bytes(b"220 hello\r\n".to_vec()));
        drop(guest);
        let flows = world.flows();
        let seen: Vec<_> = flows
            .iter()
            .map(|flow| {
                (flow.name.as_ref().map_or("", |name| name.as_str()), flow.port, flow.protocol)
            })
            .collect();
        let tcp = Some(Protocol::Tcp);
        assert_eq!(
            seen,
            [
                ("two.test", 443, Some(Protocol::Tls)),
                ("one.test", 8080, Some(Protocol::Http)),
                ("one.test", 8080, tcp),
                ("one.test", 443, tcp),
                ("one.test", 25, tcp),
            ]
        );
        // What it is recorded as is what it is.
        let other = Reason::OtherServerName;
        let three = Build::named("three.test").bytes();
        refused(world, "203.0.113.1:443", &three, Some("three.test"), other).await;
        let three = b"GET / HTTP/1.1\r\nHost: three.test\r\n\r\n";
        refused(world, "203.0.113.1:8080", three, Some("three.test"), other).await;
        let encrypted = Build::named("one.test").extension(0xfe0d, &[0; 8]).bytes();
        refused(world, "203.0.113.1:443", &encrypted, Some("one.test"), Reason::NoServerName).await;
        refused(world, "203.0.113.3:443", &three[..], None, Reason::NotAllowed).await;
    });
}

#[test]
fn without_rules_nothing_is_spliced() {
    for policy in ["none", "internet"] {
        world(policy, async |world| {
            world.admit("one.test", "203.0.113.1");
            world.echo("203.0.113.1:443").await;
            let hello = Build::named("one.test").bytes();
            let name = Some("one.test");
            refused(world, "203.0.113.1:443", &hello, name, Reason::NotAllowed).await;
        });
    }
}
