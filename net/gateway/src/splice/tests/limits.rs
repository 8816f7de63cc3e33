use std::time::{Duration, Instant};

use kiln_net::record::Reason;
use tokio::io::AsyncWriteExt;

use super::{
    Heard, hear, passes,
    world::{limited, world},
};
use crate::{
    client_hello::tests::build::Build,
    splice::{opening::HELLO_LIMIT, relay::relay},
};

const TLS: &str = "203.0.113.1:443";
const HTTP: &str = "203.0.113.1:80";

#[test]
fn who_takes_too_long_is_refused() {
    world("allow=one.test,one.test:80", async |world| {
        world.admit("one.test", "203.0.113.1");
        world.echo(TLS).await;
        world.echo(HTTP).await;
        let hello = Build::named("one.test").bytes();
        let get = b"GET / HTTP/1.1\r\nHost: one.test\r\n\r\n";
        let begun = Instant::now();
        let silent = async |address: &str, first: &[u8]| {
            let mut guest = world.connect(address).await;
            guest.write_all(first).await.expect("said");
            assert_eq!(hear(&mut guest, 1).await, Heard::Reset);
        };
        let dripping = async |address: &str, bytes: &[u8]| {
            let mut guest = world.connect(address).await;
            for byte in bytes {
                if let Err(error) = guest.write_all(&[*byte]).await {
                    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
                    return;
                }
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
            assert_eq!(hear(&mut guest, 1).await, Heard::Reset);
        };
        let second_head = async {
            let mut guest = world.connect(HTTP).await;
            guest.write_all(&[&get[..], b"GET"].concat()).await.expect("said");
            assert_eq!(hear(&mut guest, get.len()).await, Heard::Bytes(get.to_vec()));
            assert_eq!(hear(&mut guest, 1).await, Heard::Reset);
        };
        tokio::join!(
            silent(TLS, b""),
            silent(TLS, &hello[..40]),
            dripping(TLS, &hello),
            silent(HTTP, b""),
            silent(HTTP, &get[..20]),
            dripping(HTTP, get),
            second_head,
        );
        let took = begun.elapsed();
        assert!(took >= HELLO_LIMIT && took < HELLO_LIMIT + super::SOON, "{took:?}");
        let refusals = world.refusals();
        assert!(refusals.iter().all(|(_, _, reason)| *reason == Reason::Limit), "{refusals:?}");
        assert_eq!(refusals.len(), 2);
        // Between requests there is time.
        assert_eq!(world.flows().len(), 1);
    });
}

#[test]
fn connections_are_counted() {
    limited("allow=one.test:22/tcp", 3, async |world| {
        let address = "203.0.113.1:22";
        world.admit("one.test", "203.0.113.1");
        world.echo(address).await;
        let mut guests = Vec::new();
        for _ in 0..3 {
            let mut guest = world.connect(address).await;
            guest.write_all(b"x").await.expect("said");
            assert_eq!(hear(&mut guest, 1).await, Heard::Bytes(b"x".to_vec()));
            guests.push(guest);
        }
        super::refused(world, address, b"x", None, Reason::Limit).await;
        drop(guests);
        let begun = Instant::now();
        while world.flows().iter().any(|flow| flow.sent_bytes == 0) {
            assert!(begun.elapsed() < super::SOON);
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
        passes(world, address, b"y").await;
    });
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_rests_for_an_hour_ends() {
    let directory = tempfile::tempdir().expect("a directory");
    let recorder = crate::recorder::Recorder::open(&directory.path().join("x"), 1 << 20);
    let now = std::time::SystemTime::UNIX_EPOCH;
    let flow = recorder.expect("a recorder").began(kiln_net::record::Flow {
        name: None,
        address: [203, 0, 113, 1].into(),
        port: 22,
        transport: kiln_net::record::Transport::Tcp,
        protocol: None,
        connections: 1,
        sent_bytes: 0,
        received_bytes: 0,
        first: now,
        last: now,
    });
    let (mut guest, ours) = tokio::io::duplex(1024);
    let (_server, theirs) = tokio::io::duplex(1024);
    let begun = tokio::time::Instant::now();
    let relayed = async {
        let (ours, theirs) = (tokio::io::split(ours), tokio::io::split(theirs));
        relay(ours, theirs, None, Vec::new(), &flow).await
    };
    let says = async {
        tokio::time::sleep(Duration::from_secs(3000)).await;
        guest.write_all(b"still here").await.expect("said");
        std::future::pending::<()>().await;
    };
    let ended = tokio::select! {
        ended = relayed => ended,
        () = says => unreachable!(),
    };
    assert_eq!(ended.map_err(|refusal| refusal.reason), Err(Some(Reason::Limit)));
    let took = begun.elapsed().as_secs();
    assert!((6600..=7200).contains(&took), "{took}");
}
