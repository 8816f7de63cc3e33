use kiln_net::{name::Name, policy::Protocol, record::Reason};
use tokio::io::AsyncWriteExt;

use super::{Heard, hear, passes, refused, world::world};

const POLICY: &str = "allow=one.test:80,three.test:80,both.test:80/http,both.test:80/tls";
const ONE: &str = "203.0.113.1:80";

fn get(host: &str) -> String {
    format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n")
}

#[test]
fn each_request_names_the_host() {
    world(POLICY, async |world| {
        for name in ["one.test", "two.test", "three.test"] {
            world.admit(name, "203.0.113.1");
        }
        world.echo(ONE).await;
        passes(world, ONE, get("one.test").as_bytes()).await;
        passes(world, ONE, [get("three.test"), get("Three.test:80")].concat().as_bytes()).await;

        let other = Reason::OtherServerName;
        refused(world, ONE, get("two.test").as_bytes(), Some("two.test"), other).await;
        let smuggled = "POST / HTTP/1.1\r\nHost: one.test\r\nContent-Length: 4\r\n\
            Transfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET / HTTP/1.1\r\nHost: two.test\r\n\r\n";
        refused(world, ONE, smuggled.as_bytes(), Some("one.test"), Reason::Malformed).await;
        let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
        refused(world, ONE, preface, Some("one.test"), Reason::NotTheProtocol).await;
        refused(world, ONE, b"\x16\x03\x01\x02\0", Some("one.test"), Reason::NotTheProtocol).await;
        let address = get("203.0.113.1");
        refused(world, ONE, address.as_bytes(), Some("203.0.113.1"), Reason::NoServerName).await;
        let none = b"GET / HTTP/1.0\r\n\r\n";
        refused(world, ONE, none, Some("one.test"), Reason::NoServerName).await;
        let long = format!("GET / HTTP/1.1\r\nX: {}", "x".repeat(64 << 10));
        refused(world, ONE, long.as_bytes(), Some("one.test"), Reason::Limit).await;

        let flows = world.flows();
        assert_eq!(flows.len(), 2);
        assert_eq!(flows[1].name.as_ref().map(Name::as_str), Some("three.test"));
        assert_eq!(flows[1].protocol, Some(Protocol::Http));
    });
}

#[test]
fn a_later_request_for_another_host_ends_the_connection() {
    world(POLICY, async |world| {
        for name in ["one.test", "three.test"] {
            world.admit(name, "203.0.113.1");
        }
        world.echo(ONE).await;
        let other = Reason::OtherServerName;
        for (later, reason, name) in [
            (get("two.test"), other, "two.test"),
            // Allowed, and yet another than the first.
            (get("three.test"), other, "three.test"),
            (get("one.test:8080"), other, "one.test"),
            (
                "CONNECT two.test:80 HTTP/1.1\r\nHost: one.test\r\n\r\n".into(),
                Reason::Malformed,
                "one.test",
            ),
            ("\u{16}\u{3}\u{1}".into(), Reason::NotTheProtocol, "one.test"),
        ] {
            let mut guest = world.connect(ONE).await;
            let first = "PUT / HTTP/1.1\r\nHost: one.test\r\nContent-Length: 70000\r\n\r\n";
            let first = format!("{first}{}", "x".repeat(70_000));
            guest.write_all(first.as_bytes()).await.expect("said");
            assert_eq!(hear(&mut guest, first.len()).await, Heard::Bytes(first.into_bytes()));
            // In two pieces.
            let (one, two) = later.split_at(2);
            guest.write_all(one.as_bytes()).await.expect("said");
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            // Not a byte of it is passed on; and it may be told no before it has said it all.
            if guest.write_all(two.as_bytes()).await.is_ok() {
                assert_eq!(hear(&mut guest, 1).await, Heard::Reset, "{later}");
            }
            let last = world.refusals().pop().expect("a refusal");
            assert_eq!((last.0.as_deref(), last.2), (Some(name), reason));
        }
    });
}

#[test]
fn the_first_byte_tells_tls_from_http_where_both_are_allowed() {
    use crate::client_hello::tests::build::Build;
    world(POLICY, async |world| {
        world.admit("both.test", "203.0.113.1");
        world.echo(ONE).await;
        passes(world, ONE, get("both.test").as_bytes()).await;
        passes(world, ONE, &Build::named("both.test").bytes()).await;
        let mut protocols: Vec<_> = world.flows().into_iter().map(|flow| flow.protocol).collect();
        // Written down when they have ended, whichever did first.
        protocols.sort_unstable();
        assert_eq!(protocols, [Some(Protocol::Tls), Some(Protocol::Http)]);
    });
}
