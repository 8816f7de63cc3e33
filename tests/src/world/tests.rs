use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream, UdpSocket},
    process::{Command, Stdio},
    time::Duration,
};

use super::*;
use crate::stage::tests::stage;

const LIMIT: Duration = Duration::from_secs(10);

fn talk(host: &Namespace, to: SocketAddr, words: &str) -> String {
    let talk = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect_timeout(&to, LIMIT)?;
        stream.set_read_timeout(Some(LIMIT))?;
        stream.write_all(words.as_bytes())?;
        let mut heard = String::new();
        stream.read_to_string(&mut heard)?;
        Ok(heard)
    };
    host.within(talk).unwrap().unwrap()
}

/// As a host without kilnd sees it.
#[tokio::test(flavor = "multi_thread")]
async fn a_world_answers_and_remembers() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let stage = stage();
    let world = World::around(&stage).await.unwrap();
    let host = stage.namespace().unwrap();
    let request = |name: &str| format!("GET / HTTP/1.0\r\nHost: {name}\r\n\r\n");
    let anywhere = SocketAddr::from(([198, 18, 7, 7], 80));
    for (to, name) in
        [((SHARED, 80).into(), "one.test"), (anywhere, "x"), ((SHARED6, 80).into(), "y")]
    {
        assert!(talk(host, to, &request(name)).ends_with(&format!("this is {name}\n")), "{to}");
        assert_eq!(world.served().all().last().unwrap().at, to);
    }
    assert!(talk(host, (METADATA, 80).into(), &request("")).contains("200 OK"));
    assert_eq!(world.served_inside().all().len(), 1);
    assert_eq!(world.trespasses().all().len(), 1);

    let tls = "printf 'GET /who HTTP/1.0\\r\\n\\r\\n' | openssl s_client -quiet -connect 203.0.113.80:443 \
               -servername two.test -verify_return_error -CAfile /dev/fd/3 3<<END\n";
    let script = format!("{tls}{}END\n", world.certificate("two.test").unwrap());
    let shell = || Command::new("sh").args(["-c", &script]).stderr(Stdio::inherit()).output();
    let output = host.within(shell).unwrap().unwrap();
    let heard = String::from_utf8_lossy(&output.stdout);
    assert!(heard.ends_with("this is two.test\n"), "{output:?}");
    assert_eq!((world.served().to("two.test"), world.served().to("one.test")), (1, 1));

    let ask = || -> std::io::Result<usize> {
        let socket = UdpSocket::bind(("0.0.0.0", 0))?;
        socket.set_read_timeout(Some(LIMIT))?;
        let question =
            b"\x01\x02\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x03one\x04test\x00\x00\x01\x00\x01";
        socket.send_to(question, (RESOLVER, 53))?;
        socket.recv(&mut [0; 512])
    };
    assert_eq!(host.within(ask).unwrap().unwrap(), 26 + 10 + 10 + 4);
    assert_eq!(world.zone().asked()[0].name, "one.test");
    let expected = [(SHARED.into(), 80), (SHARED.into(), 443), (SHARED6.into(), 80)];
    let strays = world.strays(&expected);
    let is_there = |part: &str| strays.iter().any(|stray| stray.contains(part));
    assert!(is_there("198.18.7.7 protocol 6 port 80") && is_there("169.254.169.254"), "{strays:?}");
    assert_eq!(strays.len(), 2, "{strays:?}");

    let before = world.picture().unwrap();
    assert!(before.difference(&world.picture().unwrap()).is_empty());
    host.sysctl("net.ipv4.conf.wan.forwarding", "1").unwrap();
    let difference = before.difference(&world.picture().unwrap());
    assert_eq!((difference.gone.len(), difference.new.len()), (1, 1), "{difference}");
}
