//! A gateway that is killed, wherever it is: what went through it ends, and nothing else goes.

use std::{
    io::{self, ErrorKind, Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use hickory_proto::rr::RecordType;
use kiln_net::{control::Event, namespace::Namespace};
use rustix::net::{AddressFamily, SocketType, bind, connect, socket};

use crate::{
    gateway::{Setup, allow},
    guest::{addresses, ask},
};

const HOST: &str = "203.0.113.1";
const SETUP: &str = "
set -e
ip link set lo up
ip address add 203.0.113.1/32 dev lo
ip address add 198.51.100.2/32 dev lo
";
const REDIRECT: &str = "
nft -f - <<END
flush ruleset
table inet test {
  chain output {
    type nat hook output priority -100
    ip saddr 198.51.100.2 meta l4proto tcp redirect to :$1
  }
}
END
";
/// A hello for `one.test`: it has no more than it must.
const HELLO: &[u8] = b"\x16\x03\x01\0\x40\x01\0\0\x3c\x03\x03--------------------------------\
    \0\0\x02\x13\x01\x01\0\0\x11\0\0\0\x0d\0\x0b\0\0\x08one.test";
const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: two.test\r\n\r\n";
const PUT: &[u8] = b"PUT / HTTP/1.1\r\nHost: two.test\r\nContent-Length: 100\r\n\r\nx";

/// What has been said by the time, and whether it came back.
const STAGES: [(u16, &[u8], bool); 9] = [
    (443, b"", false),
    (443, &[0x16], false),
    (443, HELLO.split_at(40).0, false),
    (443, HELLO, true),
    (80, GET.split_at(10).0, false),
    (80, GET, true),
    (80, PUT, true),
    (8443, b"", false),
    (8443, b"hello", true),
];

#[test]
fn what_went_through_it_ends_and_nothing_else_goes() {
    if !rustix::process::geteuid().is_root() {
        assert!(Namespace::make().is_err(), "a namespace, for anybody");
        return;
    }
    let done = Namespace::make().unwrap().enter(|| {
        run(SETUP, &[]);
        for port in [80, 443, 8443] {
            echo(port);
        }
        for (turn, stage) in STAGES.iter().chain(&STAGES).chain(&STAGES).enumerate() {
            // At once, and when all is written down.
            killed(stage, turn % 2 == 0);
        }
        Ok(())
    });
    done.unwrap();
}

fn killed((port, said, comes_back): &(u16, &[u8], bool), rests: bool) {
    let mut gateway = Setup::of(allow()).start();
    run(REDIRECT, &[&gateway.splice.port().to_string()]);
    for name in ["one.test", "two.test"] {
        gateway.memory.addresses(name, &[HOST]);
        assert_eq!(addresses(&ask(gateway.udp, name, RecordType::A)), [HOST]);
    }
    let mut guest = guest(*port).unwrap();
    guest.write_all(said).unwrap();
    if *comes_back {
        let mut heard = vec![0; said.len()];
        guest.read_exact(&mut heard).unwrap();
        assert_eq!(heard, *said);
    }
    if rests {
        thread::sleep(Duration::from_millis(300));
    }
    // Each line can be read, whatever was being written.
    let events = gateway.kill();
    let flows = events.iter().filter(|event| matches!(event, Event::Spliced { .. })).count();
    if rests {
        assert_eq!(flows, usize::from(*comes_back || *port == 8443));
    }
    ends(&mut guest);
    // What it had dialled has been heard by then.
    thread::sleep(Duration::from_millis(50));
    let heard = HEARD.load(Ordering::SeqCst);
    // Nobody is there to let anything through.
    for port in [80, 443, 8443] {
        assert_eq!(self::guest(port).unwrap_err().kind(), ErrorKind::ConnectionRefused);
    }
    thread::sleep(Duration::from_millis(50));
    assert_eq!(HEARD.load(Ordering::SeqCst), heard);
}

fn ends(guest: &mut TcpStream) {
    guest.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    match guest.read(&mut [0; 64]) {
        Ok(0) => {}
        Ok(count) => panic!("{count} bytes from nowhere"),
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
    }
    // And not a byte goes out any more.
    let _ = guest.write_all(b"anybody?");
    let _ = guest.shutdown(Shutdown::Both);
}

/// Connections that reached a host.
static HEARD: AtomicUsize = AtomicUsize::new(0);

fn echo(port: u16) {
    let listener = TcpListener::bind((HOST, port)).unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            HEARD.fetch_add(1, Ordering::SeqCst);
            let stream = Arc::new(stream);
            thread::spawn(move || io::copy(&mut &*stream, &mut &*stream));
        }
    });
}

/// From an address that is redirected.
fn guest(port: u16) -> io::Result<TcpStream> {
    let socket = socket(AddressFamily::INET, SocketType::STREAM, None)?;
    bind(&socket, &std::net::SocketAddr::from(([198, 51, 100, 2], 0)))?;
    connect(&socket, &std::net::SocketAddr::from(([203, 0, 113, 1], port)))?;
    Ok(socket.into())
}

fn run(script: &str, arguments: &[&str]) {
    let output = Command::new("sh").args(["-c", script, "sh"]).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
