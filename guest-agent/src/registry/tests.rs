//! The proxy, real TLS clients, and a gateway that says what it heard.

use std::{
    net::SocketAddr,
    path::PathBuf,
    process::{Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use super::{Registry, authority::Authority, server::Server};
use crate::network::{Link, Network};

/// What it does with one connection, the first being 0.
type Answer = fn(usize, &str) -> Option<Vec<u8>>;

struct World {
    proxy: SocketAddr,
    certificate: PathBuf,
    heard: Arc<Mutex<Vec<String>>>,
    _directory: tempfile::TempDir,
}

fn network() -> Network {
    Network {
        mac: [2; 6],
        gateway_mac: None,
        mtu: 1500,
        ipv4: Link { address: [192, 0, 2, 2].into(), prefix: 30, gateway: [192, 0, 2, 1].into() },
        ipv6: None,
    }
}

impl World {
    /// `answer` is what the gateway says to a request on a connection; it hangs up for `None`.
    async fn begin(answer: Answer) -> Self {
        let gateway = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut registry = Registry::new("registry.kiln:5000".to_owned(), &network()).unwrap();
        registry.gateway = gateway.local_addr().unwrap();
        let heard: Arc<Mutex<Vec<String>>> = Arc::default();
        tokio::spawn(serve(gateway, answer, Arc::clone(&heard)));

        let authority = Arc::new(Authority::new().unwrap());
        let directory = tempfile::tempdir().unwrap();
        let certificate = directory.path().join("ca.pem");
        std::fs::write(&certificate, authority.certificate()).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = listener.local_addr().unwrap();
        tokio::spawn(Server::new(registry, authority).serve(listener));
        Self { proxy, certificate, heard, _directory: directory }
    }

    /// As docker's engine speaks to registries, with HTTP/1.1 and no ALPN.
    async fn curl(&self, arguments: &[&str]) -> String {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--show-error", "--include", "--no-alpn", "--http1.1"])
            .args(["--suppress-connect-headers", "--max-time", "20", "--proxy"])
            .arg(format!("http://{}", self.proxy))
            .arg("--cacert")
            .arg(&self.certificate)
            .args(arguments)
            .stdin(Stdio::null());
        let output = tokio::task::spawn_blocking(move || curl.output().expect("curl"));
        let output = output.await.unwrap();
        String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
    }

    fn heard(&self) -> Vec<String> {
        std::mem::take(&mut self.heard.lock().unwrap())
    }

    async fn say(&self, text: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.proxy).await.unwrap();
        stream.write_all(text).await.unwrap();
        let mut heard = Vec::new();
        let _an_end_or_a_reset = stream.read_to_end(&mut heard).await;
        String::from_utf8_lossy(&heard).into_owned()
    }
}

async fn serve(gateway: TcpListener, answer: Answer, heard: Arc<Mutex<Vec<String>>>) {
    let number = AtomicUsize::new(0);
    while let Ok((mut stream, _)) = gateway.accept().await {
        let number = number.fetch_add(1, Ordering::Relaxed);
        let heard = Arc::clone(&heard);
        tokio::spawn(async move {
            let mut bytes = vec![0; 64 << 10];
            while let Ok(count @ 1..) = stream.read(&mut bytes).await {
                let text = String::from_utf8_lossy(&bytes[..count]).into_owned();
                let answered = answer(number, &text);
                heard.lock().unwrap().push(text);
                let Some(answered) = answered else { return };
                stream.write_all(&answered).await.unwrap();
            }
        });
    }
}

#[expect(clippy::unnecessary_wraps, reason = "it is what a gateway answers, or hangs up")]
fn said(status: &str, body: &str) -> Option<Vec<u8>> {
    Some(format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes())
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

#[tokio::test]
async fn a_registrys_client_gets_the_hosts_registry_and_its_words() {
    let world = World::begin(|_, _| said("403 Denied by kiln: not in the policy", "{}")).await;
    let answer = world.curl(&["https://registry-1.docker.io/v2/library/a/manifests/1"]).await;
    assert!(answer.starts_with("HTTP/1.1 403 Denied by kiln: not in the policy\r\n"), "{answer}");
    // The second request goes over the same connection.
    world
        .curl(&["https://192.0.2.9:5443/v2/?n=1", "-H", "X: y", "https://192.0.2.9:5443/v2/b"])
        .await;
    world.curl(&["https://[2001:db8::1]:5000/v2/"]).await;
    world.curl(&["https://registry.kiln:5000/v2/local/app/tags/list"]).await;
    let heard = world.heard();
    let lines: Vec<_> = heard.iter().map(|text| first_line(text)).collect();
    assert_eq!(
        lines,
        [
            "GET /v2/library/a/manifests/1?ns=docker.io HTTP/1.1",
            "GET /v2/?n=1&ns=192.0.2.9:5443 HTTP/1.1",
            "GET /v2/b?ns=192.0.2.9:5443 HTTP/1.1",
            "GET /v2/?ns=[2001:db8::1]:5000 HTTP/1.1",
            "GET /v2/local/app/tags/list HTTP/1.1",
        ]
    );
    assert!(heard.iter().all(|text| text.contains("\r\nHost: registry.kiln:5000\r\n")));
    assert!(heard[1].contains("\r\nX: y\r\n"));
}

#[tokio::test]
async fn bodies_flow_both_ways_at_any_size() {
    let world = World::begin(|_, text| {
        // The body is in what comes behind the head.
        if text.starts_with("GET") {
            said("200 OK", &"z".repeat(3 << 20))
        } else {
            Some(Vec::new())
        }
    })
    .await;
    let answer = world.curl(&["https://a.test/v2/x"]).await;
    assert!(answer.ends_with('z') && answer.len() > 3 << 20, "{}", answer.len());

    let file = world.certificate.with_file_name("body");
    std::fs::write(&file, vec![b'b'; 1 << 20]).unwrap();
    let file = file.to_str().unwrap();
    for framing in ["Expect:", "Transfer-Encoding: chunked"] {
        world.heard();
        let url = "https://a.test/v2/up";
        let sent = world.curl(&["-T", file, "-H", framing, "-H", "Expect:", "-m", "3", url]).await;
        assert!(sent.contains("timed out"), "{sent}");
        let heard = world.heard().concat();
        let (head, body) = heard.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("PUT /v2/up?ns=a.test HTTP/1.1"), "{head}");
        assert_eq!(body.matches('b').count(), 1 << 20, "{framing}");
    }
}

#[tokio::test]
async fn what_was_not_answered_is_asked_again_where_that_changes_nothing() {
    // The first three die without a word.
    let dies: Answer = |number, _| if number < 3 { None } else { said("200 OK", "back") };
    let world = World::begin(dies).await;
    let answer = world.curl(&["https://a.test/v2/x"]).await;
    assert!(answer.ends_with("back"), "{answer}");
    assert_eq!(world.heard().len(), 4);

    let world = World::begin(dies).await;
    let answer = world.curl(&["-X", "POST", "https://a.test/v2/x"]).await;
    assert!(!answer.contains("HTTP/1.1"), "{answer}");
    assert_eq!(world.heard().len(), 1);

    // Cut off in the middle: what there is of it is passed on, and its end is no end.
    let world = World::begin(|number, _| match number {
        0 => Some(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf".to_vec()),
        _ => None,
    })
    .await;
    let cut = world.curl(&["-m", "2", "https://a.test/v2/x"]).await;
    assert!(cut.contains("half"), "{cut}");
    assert_eq!(world.heard().len(), 1);
}

#[tokio::test]
async fn nobody_else_trusts_it_and_each_host_has_its_own_name() {
    let world = World::begin(|_, _| said("200 OK", "")).await;
    let empty = world.certificate.with_file_name("other.pem");
    std::fs::write(&empty, Authority::new().unwrap().certificate()).unwrap();
    let other = empty.to_str().unwrap();
    let answer = world.curl(&["--cacert", other, "https://a.test/v2/"]).await;
    assert!(answer.starts_with("curl: ("), "{answer}");
    assert_eq!(world.heard(), [""; 0]);

    let client = |server: &str, verify: &str| {
        let mut openssl = Command::new("openssl");
        openssl
            .args(["s_client", "-proxy"])
            .arg(world.proxy.to_string())
            .args(["-connect", server, "-verify_return_error", "-brief"])
            .args(verify.split(' '))
            .arg("-CAfile")
            .arg(&world.certificate)
            .stdin(Stdio::null());
        tokio::task::spawn_blocking(move || {
            let output = openssl.output().expect("openssl");
            (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
        })
    };
    for (server, verify) in
        [("a.test:443", "-verify_hostname a.test"), ("192.0.2.1:443", "-verify_ip 192.0.2.1")]
    {
        let (success, said) = client(server, verify).await.unwrap();
        assert!(success, "{server}: {said}");
    }
    let (success, said) = client("a.test:443", "-verify_hostname b.test").await.unwrap();
    assert!(!success, "{said}");
}

#[tokio::test]
async fn others_are_dialled_and_never_the_guest_itself() {
    let world = World::begin(|_, _| said("200 OK", "")).await;
    let service = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = service.local_addr().unwrap().port();
    for host in ["127.0.0.1", "0.0.0.0", "[::1]", "[::ffff:127.0.0.1]", "192.0.2.2"] {
        let url = format!("https://{host}:{port}/");
        let answer = world.curl(&["--alpn", "--noproxy", "", &url]).await;
        assert!(!answer.contains("HTTP/1.1"), "{host}: {answer}");
    }
    let came = tokio::time::timeout(std::time::Duration::from_millis(200), service.accept()).await;
    assert!(came.is_err(), "the guest's own service was dialled");
    assert_eq!(world.heard(), [""; 0]);
}

#[tokio::test]
async fn what_speaks_something_else_hears_why_or_nothing() {
    let world = World::begin(|_, _| said("200 OK", "")).await;
    for (text, expected) in [
        (&b"GET http://a.test/ HTTP/1.1\r\n\r\n"[..], "HTTP/1.1 405 "),
        (b"CONNECT a.test HTTP/1.1\r\n\r\n", "HTTP/1.1 400 "),
        (b"CONNECT a.test:443 HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n\r\n", "HTTP/1.1 200 connected"),
        (b"CONNECT a.test:443 HTTP/1.1\r\n\r\n\x16\x03\x01\x00\x05hello", "HTTP/1.1 200 connected"),
        (&[b'x'; 9 << 10], "HTTP/1.1 400 "),
    ] {
        let heard = world.say(text).await;
        assert!(heard.starts_with(expected), "{heard}");
    }
    // A hello that never ends is given up by its size.
    let mut endless = b"CONNECT a.test:443 HTTP/1.1\r\n\r\n".to_vec();
    for _ in 0..16 {
        endless.extend(b"\x16\x03\x01\x10\x00");
        endless.extend([1; 4096]);
    }
    assert!(world.say(&endless).await.starts_with("HTTP/1.1 200 connected"));
    assert_eq!(world.heard(), [""; 0]);
    assert!(world.curl(&["https://a.test/v2/"]).await.starts_with("HTTP/1.1 200"));
}

#[test]
fn a_registry_is_a_host_with_a_port() {
    let registry = Registry::new("registry.kiln:5000".to_owned(), &network()).unwrap();
    assert_eq!(registry.gateway.to_string(), "192.0.2.1:5000");
    for name in ["", "a", ":5000", "a:", "a:0", "a:65536", "a b:1", "a/b:1", "a:1\n", "[::1]:1"] {
        assert!(Registry::new(name.to_owned(), &network()).is_err(), "{name:?}");
    }
}
