use kiln_net::{name::Name, policy::Protocol, record::Reason};
use proptest::prelude::Rng as _;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{
    Heard, hear, passes, refused,
    world::{World, drain, world},
};
use crate::client_hello::tests::build::{Build, handshake, records, server_hello};

const POLICY: &str = "allow=one.test,three.test,*.wild.test,other.test:8443/tcp";
const ONE: &str = "203.0.113.1:443";

async fn admitted(world: &World) {
    for name in ["one.test", "two.test", "a.wild.test", "wild.test"] {
        world.admit(name, "203.0.113.1");
        world.admit(name, "2001:db8::1");
    }
    world.admit("three.test", "203.0.113.3");
    for address in [ONE, "203.0.113.3:443", "[2001:db8::1]:443", "203.0.113.2:443"] {
        world.echo(address).await;
    }
}

fn hello(name: &str) -> Vec<u8> {
    Build::named(name).bytes()
}

#[test]
fn a_named_host_is_reached_byte_for_byte() {
    world(POLICY, async |world| {
        admitted(world).await;
        passes(world, ONE, &hello("one.test")).await;
        passes(world, ONE, &Build::named("A.WILD.test").grease().bytes()).await;
        passes(world, "203.0.113.3:443", &hello("three.test")).await;
        passes(world, "[2001:db8::1]:443", &hello("one.test")).await;

        let mut bytes = hello("one.test");
        let mut random = proptest::test_runner::TestRng::deterministic_rng(
            proptest::test_runner::RngAlgorithm::ChaCha,
        );
        let said = bytes.len() + (3 << 20);
        bytes.resize(said, 0);
        random.fill_bytes(&mut bytes[said - (3 << 20)..]);
        let guest = world.connect(ONE).await;
        let (mut reader, mut writer) = guest.into_split();
        let expected = bytes.clone();
        let say = async {
            writer.write_all(&bytes).await.expect("said");
            writer.shutdown().await.expect("an end");
        };
        let mut echoed = Vec::new();
        let (heard, ()) = tokio::join!(reader.read_to_end(&mut echoed), say);
        heard.expect("an end");
        assert!(echoed == expected);

        // Told of together, in whatever order.
        let flows = world.flows();
        let of = |name: &str, address: &str| {
            let mut of = flows.iter().filter(|flow| {
                flow.name.as_ref().map(Name::as_str) == Some(name)
                    && flow.address.to_string() == address
            });
            of.next().expect("a flow")
        };
        let first = of("one.test", "203.0.113.1");
        let all = (said + hello("one.test").len()) as u64;
        assert_eq!((first.connections, first.sent_bytes, first.received_bytes), (2, all, all));
        assert_eq!((first.protocol, first.port), (Some(Protocol::Tls), 443));
        of("a.wild.test", "203.0.113.1");
        of("three.test", "203.0.113.3");
        of("one.test", "2001:db8::1");
        assert_eq!((flows.len(), world.refusals().len()), (4, 0));
    });
}

#[test]
fn whoever_else_is_named_is_not_reached() {
    world(POLICY, async |world| {
        admitted(world).await;
        let other = Reason::OtherServerName;
        let none = Reason::NoServerName;
        // Its neighbour on the same address, which the resolver never gave, or gave for elsewhere.
        refused(world, ONE, &hello("two.test"), Some("two.test"), other).await;
        refused(world, ONE, &hello("wild.test"), Some("wild.test"), other).await;
        refused(world, ONE, &hello("four.test"), Some("four.test"), other).await;
        refused(world, ONE, &hello("three.test"), Some("three.test"), other).await;
        refused(world, "203.0.113.3:443", &hello("one.test"), Some("one.test"), other).await;
        refused(world, "[2001:db8::1]:443", &hello("three.test"), Some("three.test"), other).await;

        let first = Some("a.wild.test");
        refused(world, ONE, &Build::default().bytes(), first, none).await;
        refused(world, ONE, &hello("203.0.113.1"), Some("203.0.113.1"), none).await;
        refused(world, ONE, &hello("one.test."), Some("one.test."), none).await;
        let encrypted = Build::named("one.test").extension(0xfe0d, &[0; 200]);
        refused(world, ONE, &encrypted.bytes(), Some("one.test"), none).await;

        let not = Reason::NotTheProtocol;
        refused(world, ONE, b"GET / HTTP/1.1\r\nHost: one.test\r\n\r\n", first, not).await;
        refused(world, ONE, b"\x80\x2e\x01\x03\x01\0\x15\0\0\0\x10", first, not).await;
        refused(world, ONE, b"SSH-2.0-OpenSSH_9.6\r\n", first, not).await;
        let twice = hello("one.test").len() - 20;
        refused(world, ONE, &records(&hello("one.test")[5..], &[0]), first, Reason::Malformed)
            .await;
        let cut = &hello("one.test")[..twice];
        let mut padded = cut.to_vec();
        padded.extend(
            b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
        );
        refused(world, ONE, &padded, first, Reason::Malformed).await;
        let long = Build::named("one.test").extension(0x1234, &vec![0; 64_000]).body();
        let long = records(&handshake(1, &long), &[16_000, 32_000, 48_000]);
        refused(world, ONE, &long, first, Reason::Limit).await;
        assert_eq!(world.flows(), []);
    });
}

#[test]
fn an_address_without_a_name_is_not_reached() {
    world(POLICY, async |world| {
        admitted(world).await;
        let not = Reason::NotAllowed;
        refused(world, "203.0.113.2:443", &hello("one.test"), None, not).await;
        refused(world, "203.0.113.1:444", &hello("one.test"), Some("a.wild.test"), not).await;
        // Always dropped, though the resolver had said it.
        world.admit("one.test", "203.0.113.4");
        refused(world, "203.0.113.4:443", &hello("one.test"), None, Reason::Never).await;
        // The splice itself.
        let mut direct = TcpStream::connect("127.0.0.1:15001").await.expect("a connection");
        let _ = direct.write_all(&hello("one.test")).await;
        assert_eq!(hear(&mut direct, 1).await, Heard::Reset);
    });
}

#[test]
fn a_hello_in_pieces_is_the_same() {
    world(POLICY, async |world| {
        admitted(world).await;
        let whole = Build::named("one.test").grease().bytes();
        for cut in 1..whole.len() {
            let mut guest = world.connect(ONE).await;
            guest.write_all(&whole[..cut]).await.expect("said");
            // Until the splice has read it: else it is one piece again.
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
            guest.write_all(&whole[cut..]).await.expect("said");
            assert_eq!(hear(&mut guest, whole.len()).await, Heard::Bytes(whole.clone()), "{cut}");
        }
        let mut guest = world.connect(ONE).await;
        for byte in &whole {
            guest.write_all(&[*byte]).await.expect("said");
            tokio::task::yield_now().await;
        }
        assert_eq!(hear(&mut guest, whole.len()).await, Heard::Bytes(whole));
    });
}

/// Asks for another hello, and says back all that it heard.
async fn retrying(mut stream: TcpStream) {
    let mut first = vec![0; hello("one.test").len()];
    stream.read_exact(&mut first).await.expect("a hello");
    let retry = records(&handshake(2, &server_hello(true)), &[3]);
    stream.write_all(&retry).await.expect("said");
    let (mut reader, mut writer) = stream.split();
    let _ = tokio::io::copy(&mut reader, &mut writer).await;
}

#[test]
fn a_second_hello_names_the_same_host() {
    world(POLICY, async |world| {
        for name in ["one.test", "two.test", "a.wild.test"] {
            world.admit(name, "203.0.113.1");
        }
        world.host(ONE, retrying).await;
        let retry = records(&handshake(2, &server_hello(true)), &[3]);
        let change = b"\x14\x03\x03\0\x01\x01";
        let encrypted = Build::named("one.test").extension(0xfe0d, &[0; 8]).bytes();
        for (second, passes) in [
            (hello("one.test"), true),
            ([&change[..], &hello("one.test")].concat(), true),
            ([hello("one.test"), b"\x17\x03\x03\0\x01x".to_vec()].concat(), true),
            (hello("two.test"), false),
            ([&change[..], &hello("two.test")].concat(), false),
            // Allowed too, and yet another.
            (hello("a.wild.test"), false),
            (Build::default().bytes(), false),
            (encrypted, false),
            (b"\x17\x03\x03\0\x01x".to_vec(), false),
            (b"GET / HTTP/1.1\r\n\r\n".to_vec(), false),
        ] {
            // At once, and when it is asked for.
            for at_once in [true, false] {
                let mut guest = world.connect(ONE).await;
                let first = hello("one.test");
                if at_once {
                    let both = [&first[..], &second].concat();
                    guest.write_all(&both).await.expect("said");
                } else {
                    guest.write_all(&first).await.expect("said");
                }
                let heard = hear(&mut guest, retry.len()).await;
                if passes || !at_once {
                    assert_eq!(heard, Heard::Bytes(retry.clone()));
                }
                if !at_once {
                    guest.write_all(&second).await.expect("said");
                }
                let heard = hear(&mut guest, second.len()).await;
                let expected = if passes { Heard::Bytes(second.clone()) } else { Heard::Reset };
                assert_eq!(heard, expected, "{second:?}");
            }
        }
    });
}

#[test]
fn what_follows_a_hello_waits_for_the_answer_and_is_not_lost() {
    world(POLICY, async |world| {
        world.admit("one.test", "203.0.113.1");
        world
            .host(ONE, async |mut stream: TcpStream| {
                let mut first = vec![0; hello("one.test").len()];
                stream.read_exact(&mut first).await.expect("a hello");
                let answer = records(&handshake(2, &server_hello(false)), &[]);
                stream.write_all(&answer).await.expect("said");
                let rest = drain(&mut stream).await;
                assert_eq!(rest, hello("two.test"));
            })
            .await;
        let mut guest = world.connect(ONE).await;
        // A hello that nobody asked for is none.
        let both = [hello("one.test"), hello("two.test")].concat();
        guest.write_all(&both).await.expect("said");
        guest.shutdown().await.expect("an end");
        let answer = records(&handshake(2, &server_hello(false)), &[]);
        assert_eq!(drain(&mut guest).await, answer);
        assert_eq!(world.flows()[0].sent_bytes, both.len() as u64);
    });
}
