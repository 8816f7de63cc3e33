//! What a guest tries in order to carry data out, or to reach what it may not, through the mirror: all
//! of it fails, nothing arrives at the forbidden place, and each try is recorded.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use kiln_registry::{
    caller::Outside,
    registry::{Registry as Served, Via},
};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use crate::{
    stage::{Asker, Plan, Stage},
    upstream::{Registry, Reply},
};

const SECRET: &str = "c0ffee-of-the-tenant";

/// Where nothing may arrive: on both families, at one port.
struct Trap {
    port: u16,
    arrived: Arc<AtomicUsize>,
}

impl Trap {
    async fn set() -> Self {
        let four = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = four.local_addr().unwrap().port();
        let arrived = Arc::new(AtomicUsize::new(0));
        // A machine without IPv6 has no way to arrive there.
        let six = TcpListener::bind(("::1", port)).await.ok();
        for listener in [Some(four), six].into_iter().flatten() {
            let arrived = Arc::clone(&arrived);
            tokio::spawn(async move {
                while listener.accept().await.is_ok() {
                    arrived.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        Self { port, arrived }
    }
}

/// Which registries the policy names.
#[derive(Clone, Copy, Debug)]
enum Policy {
    /// `registry.example` alone.
    One,
    Any,
    None,
}

struct Scene {
    trap: Trap,
    /// `registry.example`, and `private.example`, which wants a password that `acme` has.
    registry: Registry,
    stage: Stage,
    address: std::net::SocketAddr,
    asker: Asker,
}

impl Scene {
    async fn set(policy: Policy) -> Self {
        let (trap, registry) = (Trap::set().await, Registry::start().await);
        let known = json!({"http": true, "private": true, "address": registry.host().as_str()});
        let stage = Plan::new()
            .says("registry.example", known)
            .resolves("registry.example", "127.0.0.1")
            .resolves("rebind.example", "127.0.0.1")
            .resolves("evil.example", "127.0.0.1")
            .resolves("metadata.google.internal", "169.254.169.254")
            .stage();
        let outside = match policy {
            Policy::One => Outside::Asked(Arc::new(|host| host.as_str() == "registry.example")),
            Policy::Any => Outside::Asked(Arc::new(|_| true)),
            Policy::None => Outside::StoredOnly,
        };
        let asker = Asker::with("acme", outside);
        let served = Served::new(stage.store.clone(), Arc::new(stage.mirror.clone()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let caller = asker.caller.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (served, caller) = (served.clone(), caller.clone());
                tokio::spawn(async move { served.serve(stream, caller, Via::Guest).await });
            }
        });
        Self { trap, registry, stage, address, asker }
    }

    /// The status, and all that came.
    async fn send(&self, request: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let reading = stream.read_to_end(&mut answer);
        let ended = tokio::time::timeout(Duration::from_secs(15), reading).await;
        let answer = String::from_utf8_lossy(&answer).into_owned();
        assert!(ended.is_ok(), "no end to the answer to {request:?}: {answer:?}");
        let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
        (status.unwrap_or(0), answer)
    }

    /// It fails, arrives nowhere, and is recorded.
    async fn fails(&self, request: &str) {
        let before = self.asker.refusals().len();
        let (status, answer) = self.send(request).await;
        assert!(status >= 400, "{request:?} was answered {answer:?}");
        let refusals = self.asker.refusals();
        assert!(refusals.len() > before, "{request:?} is not recorded; answered {answer:?}");
        for refusal in &refusals[before..] {
            let told = format!("{refusal:?}");
            assert!(told.len() < 2500 && told.is_ascii(), "{told}");
        }
        self.nothing_arrived(request);
        assert!(!answer.to_ascii_lowercase().contains("www-authenticate"), "{answer}");
    }

    fn nothing_arrived(&self, what: &str) {
        assert_eq!(self.trap.arrived.load(Ordering::SeqCst), 0, "{what} arrived");
    }

    /// Nothing of what only the guest knows reached the registry that it may ask.
    fn assert_secret_is_kept(&self) {
        for seen in self.registry.seen() {
            let headers = format!("{:?}", seen.headers);
            assert!(!headers.contains(SECRET) && !headers.contains("guest"), "{headers}");
            assert!(!seen.target.contains('?'), "{}", seen.target);
        }
    }
}

fn get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: registry.kiln:5000\r\nConnection: close\r\n\r\n")
}

#[tokio::test]
async fn names_lead_to_no_registry_that_the_policy_does_not_name() {
    let scene = Scene::set(Policy::One).await;
    let port = scene.trap.port;
    for ns in [
        "evil.example".to_owned(),
        format!("evil.example:{port}"),
        format!("127.0.0.1:{port}"),
        format!("localhost:{port}"),
        format!("[::1]:{port}"),
        format!("registry.example@127.0.0.1:{port}"),
        format!("registry.example:x@127.0.0.1:{port}"),
        format!("registry.example:{port}"),
        "registry.example:80".to_owned(),
        "registry.example.evil.example".to_owned(),
        "evil.example.registry.example".to_owned(),
        "registry.example.".to_owned(),
        "registry.example%00.evil.example".to_owned(),
        format!("registry.example%2f..%2f127.0.0.1:{port}"),
        format!("registry.example%0d%0aHost:%20127.0.0.1:{port}"),
        format!("registry.example%23@127.0.0.1:{port}"),
        format!("127.0.0.1:{port}%2f%3fregistry.example"),
        format!("http://127.0.0.1:{port}"),
        format!("127.0.0.1:{port}&ns=registry.example"),
        "%72egistry.example%2e".to_owned(),
        "registry%E3%80%82example".to_owned(),
        "xn--rgistry-bya.example".to_owned(),
        "registry.example ".trim_end().to_owned() + "%20",
    ] {
        scene.fails(&get(&format!("/v2/app/manifests/{SECRET}?ns={ns}"))).await;
    }
    for path in [
        format!("/v2/evil.example/app/manifests/{SECRET}"),
        format!("/v2/127.0.0.1_{port}/app/manifests/{SECRET}"),
        format!("/v2/127.0.0.1:{port}/app/manifests/{SECRET}"),
        format!("/v2/localhost_{port}/app/manifests/{SECRET}"),
        format!("/v2/127.0.0.1%3A{port}/app/manifests/{SECRET}"),
        format!("/v2/registry.example@127.0.0.1_{port}/app/manifests/{SECRET}"),
        format!("/v2/..%2f..%2f127.0.0.1_{port}/app/manifests/{SECRET}"),
        format!("/v2/registry.example/../127.0.0.1_{port}/app/manifests/{SECRET}"),
        format!("/v2/{SECRET}/app/manifests/v1"),
        format!("//127.0.0.1:{port}/v2/app/manifests/{SECRET}"),
        "/v2/registry.example/app/manifests/..%2f..%2f..%2fadmin".to_owned(),
        "/v2/registry.example/app/blobs/..%2f..%2fadmin".to_owned(),
        "/v2/registry.example/app/manifests/v1%3Fx=1%23".to_owned(),
        format!("/v2/registry.example/app/blobs/sha512:{}", "ab".repeat(64)),
    ] {
        scene.fails(&get(&path)).await;
    }
    assert!(scene.registry.seen().is_empty(), "{:?}", scene.registry.seen());
}

#[tokio::test]
async fn requests_of_other_forms_lead_nowhere_else() {
    let scene = Scene::set(Policy::One).await;
    let port = scene.trap.port;
    for request in [
        get(&format!("http://127.0.0.1:{port}/v2/app/manifests/{SECRET}")),
        get(&format!("http://evil.example/v2/app/manifests/{SECRET}")),
        get(&format!("http://127.0.0.1:{port}/v2/app/manifests/x?ns=evil.example")),
        get(&format!("http://registry.example@127.0.0.1:{port}/v2/app/manifests/x")),
        get(&format!("http://127.0.0.1:{port}/latest/meta-data")),
        format!("GET /v2/app/manifests/x HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n")
            .replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n"),
        format!(
            "GET /v2/app/manifests/x HTTP/1.1\r\nHost: registry.kiln\r\n\
             X-Forwarded-Host: 127.0.0.1:{port}\r\nForwarded: host=127.0.0.1:{port}\r\n\
             Connection: close\r\n\r\n"
        ),
    ] {
        scene.fails(&request).await;
    }
    for (method, target) in [
        ("CONNECT", format!("127.0.0.1:{port}")),
        ("OPTIONS", "*".to_owned()),
        ("TRACE", format!("http://127.0.0.1:{port}/")),
    ] {
        let request = get(&target).replace("GET", method);
        let (status, answer) = scene.send(&request).await;
        assert!(status >= 400, "{request:?} was answered {answer:?}");
        scene.nothing_arrived(&request);
    }
    assert!(scene.registry.seen().is_empty());
}

#[tokio::test]
async fn what_the_guest_says_beside_the_name_stays_here() {
    let scene = Scene::set(Policy::One).await;
    for target in
        ["/v2/registry.example/app/manifests/none", "/v2/app/manifests/none?ns=registry.example"]
    {
        let more = if target.contains('?') { '&' } else { '?' };
        let request = format!(
            "GET {target}{more}data={SECRET} HTTP/1.1\r\nHost: {SECRET}.example\r\n\
             User-Agent: guest {SECRET}\r\ntraceparent: {SECRET}\r\nCookie: {SECRET}\r\n\
             Authorization: Bearer {SECRET}\r\nX-Data: {SECRET}\r\nAccept: guest/{SECRET}\r\n\
             Referer: http://guest/{SECRET}\r\nIf-None-Match: \"{SECRET}\"\r\n\
             Connection: close\r\n\r\n"
        );
        scene.fails(&request).await;
    }
    assert!(!scene.registry.seen().is_empty(), "it was asked, and for the name alone");
    scene.assert_secret_is_kept();
}

#[tokio::test]
async fn nothing_is_pushed_through_the_mirror() {
    let scene = Scene::set(Policy::Any).await;
    let body = format!("Content-Length: {}\r\n\r\n{SECRET}", SECRET.len());
    for (method, path) in [
        ("POST", "/v2/registry.example/app/blobs/uploads/".to_owned()),
        ("POST", "/v2/app/blobs/uploads/?ns=registry.example".to_owned()),
        ("POST", "/v2/registry.example/app/blobs/uploads/?mount=sha256:ab&from=local/x".to_owned()),
        ("PUT", "/v2/registry.example/app/manifests/v1".to_owned()),
        ("PUT", "/v2/app/manifests/v1?ns=registry.example".to_owned()),
        ("PATCH", "/v2/registry.example/app/blobs/uploads/1".to_owned()),
        ("DELETE", "/v2/registry.example/app/manifests/v1".to_owned()),
    ] {
        let head = format!("{method} {path} HTTP/1.1\r\nHost: registry.kiln\r\n");
        scene.fails(&format!("{head}Connection: close\r\n{body}")).await;
    }
    assert!(scene.registry.seen().is_empty());
}

#[tokio::test]
async fn no_notation_of_an_address_leads_to_a_private_one() {
    let scene = Scene::set(Policy::Any).await;
    let port = scene.trap.port;
    for host in [
        "127.0.0.1",
        "localhost",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::7f00:1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "[::]",
        "0.0.0.0",
        "0",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "0x7f.1",
        "127.1",
        "127.0.1",
        "127.255.255.254",
        "169.254.169.254",
        "2852039166",
        "0xa9fea9fe",
        "[::ffff:169.254.169.254]",
        "[fd00:ec2::254]",
        "[fe80::1]",
        "metadata.google.internal",
        "rebind.example",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "100.64.0.1",
        "224.0.0.1",
        "255.255.255.255",
    ] {
        scene.fails(&get(&format!("/v2/app/manifests/v1?ns={host}:{port}"))).await;
        let digest = format!("sha256:{}", "ab".repeat(32));
        scene.fails(&get(&format!("/v2/app/blobs/{digest}?ns={host}:{port}"))).await;
    }
}

#[tokio::test]
async fn a_registry_that_may_be_asked_leads_nowhere_that_may_not() {
    let scene = Scene::set(Policy::One).await;
    let port = scene.trap.port;
    let image = scene.registry.put_image("app", "v1", b"layer");
    for place in [
        format!("https://127.0.0.1:{port}/x"),
        format!("http://127.0.0.1:{port}/x"),
        format!("https://localhost:{port}/x"),
        format!("https://[::1]:{port}/x"),
        format!("https://[::ffff:127.0.0.1]:{port}/x"),
        format!("https://2130706433:{port}/x"),
        format!("https://rebind.example:{port}/x"),
        format!("https://registry.example@127.0.0.1:{port}/x"),
        format!("//127.0.0.1:{port}/x"),
        format!("/\\127.0.0.1:{port}/x"),
        "https://169.254.169.254/latest/meta-data".to_owned(),
        "http://metadata.google.internal/computeMetadata/v1".to_owned(),
        "file:///etc/passwd".to_owned(),
        "unix:/run/docker.sock".to_owned(),
        "/v2/app/blobs/loop".to_owned(),
        String::new(),
    ] {
        for status in [301, 302, 307, 308] {
            let to = place.clone();
            scene.registry.fail(move |request, _| {
                (request.method == "GET").then(|| Reply::status(status).header("Location", &to))
            });
            if status == 307 {
                scene.fails(&get("/v2/registry.example/app/manifests/v1")).await;
            }
            scene.fails(&get(&format!("/v2/registry.example/app/blobs/{}", image.layer))).await;
        }
    }
    for realm in [
        format!("https://127.0.0.1:{port}/token"),
        format!("http://127.0.0.1:{port}/token"),
        format!("https://rebind.example:{port}/token"),
        format!("https://[::ffff:7f00:1]:{port}/token"),
        format!("https://auth.docker.io@127.0.0.1:{port}/token"),
        "https://169.254.169.254/latest".to_owned(),
        "file:///etc/passwd".to_owned(),
        "token".to_owned(),
        String::new(),
    ] {
        scene.registry.fail(move |_, _| {
            let ask =
                format!("Bearer realm=\"{realm}\",service=\"x\",scope=\"repository:app:pull\"");
            Some(Reply::status(401).header("WWW-Authenticate", &ask))
        });
        scene.fails(&get("/v2/registry.example/app/manifests/v1")).await;
        scene.fails(&get(&format!("/v2/registry.example/app/blobs/{}", image.layer))).await;
    }
}

#[tokio::test]
async fn stored_only_asks_nobody_for_anything() {
    let scene = Scene::set(Policy::None).await;
    let image = scene.registry.put_image("app", "v1", b"layer");
    let port = scene.trap.port;
    for target in [
        format!("/v2/registry.example/app/manifests/{SECRET}"),
        "/v2/registry.example/app/manifests/v1".to_owned(),
        format!("/v2/registry.example/app/manifests/{}", image.manifest),
        format!("/v2/registry.example/app/blobs/{}", image.layer),
        format!("/v2/registry.example/{SECRET}/manifests/v1"),
        "/v2/app/manifests/v1?ns=registry.example".to_owned(),
        format!("/v2/app/manifests/v1?ns={SECRET}.evil.example"),
        format!("/v2/app/manifests/v1?ns=127.0.0.1:{port}"),
    ] {
        scene.fails(&get(&target)).await;
        scene.fails(&get(&target).replace("GET ", "HEAD ")).await;
    }
    assert_eq!(scene.registry.connections(), 0);
    // What another one has brought is there.
    let other = Asker::of("other");
    let host = "registry.example".parse().unwrap();
    scene.stage.manifest_of(&other, &host, "app", "v1").await.unwrap();
    let (status, answer) = scene.send(&get("/v2/registry.example/app/manifests/v1")).await;
    assert_eq!(status, 200, "{answer}");
}
