//! Where a registry may send us, and what goes along: each case is a registry that tries.

use std::{collections::HashMap, net::IpAddr, sync::Arc};

use kiln_registry::{
    digest::Digest,
    name::Host,
    upstream::{Failure, Upstream, UpstreamError},
};
use serde_json::{Value, json};

use crate::{
    authority::Authority,
    client::{Names, drained, limits, named, repository, session},
    real::private,
    script::{Server, answer},
};

/// A registry with TLS and a password, that sends everybody somewhere.
struct Trap {
    authority: Authority,
    registry: Server,
    /// Where nothing may arrive.
    victim: Server,
    host: Host,
}

pub(crate) const NAME: &str = "registry.example";
pub(crate) const PASSWORD: &str = "correct-horse";

/// What the registry does with who asks.
#[derive(Clone, Copy)]
pub(crate) enum Trick {
    Redirect,
    Realm,
}

impl Trap {
    /// Who asks for `case/N` is sent to the Nth of `places`: `VICTIM` in it is where the victim
    /// listens, `SELF` the registry's own place.
    async fn set(trick: Trick, places: &'static [&'static str]) -> Self {
        let authority = Authority::new();
        let victim = Server::start(|_, _| answer("200 OK", &[], r#"{"token": "t"}"#)).await;
        let port = victim.port.to_string();
        let registry = Server::with_tls(authority.acceptor(&[NAME]), move |seen, _| {
            let case = seen.line().strip_prefix("GET /v2/case/").unwrap().split('/').next();
            let to = places[case.unwrap().parse::<usize>().unwrap()].replace("VICTIM", &port);
            let to = to.replace("SELF", seen.header("host").unwrap());
            match trick {
                Trick::Redirect => {
                    answer("307 Temporary Redirect", &[&format!("location: {to}")], "")
                }
                Trick::Realm => {
                    let challenge =
                        format!("www-authenticate: Bearer realm=\"{to}\",service=\"s\"");
                    answer("401 Unauthorized", &[&challenge], "{}")
                }
            }
        });
        let registry = registry.await;
        let host = registry.named(NAME);
        Self { authority, registry, victim, host }
    }

    /// The registry is private and has a password.
    fn file(&self) -> Value {
        let password = private(self.authority.directory.path().join("password"), PASSWORD);
        json!({"registries": {self.host.as_str(): {"private": true, "ca": self.authority.file()}},
            "credentials": [{"registry": self.host.as_str(), "tenants": ["*"], "username": "u",
                "password_file": password}]})
    }

    fn client(file: &Value) -> Upstream {
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        let loopback = || vec![address("127.0.0.1")];
        let known = HashMap::from([
            (NAME.to_owned(), loopback()),
            ("localhost".to_owned(), loopback()),
            ("inside.example".to_owned(), loopback()),
            ("six.example".to_owned(), vec![address("::1")]),
            ("mapped.example".to_owned(), vec![address("::ffff:127.0.0.1")]),
            ("metadata.example".to_owned(), vec![address("169.254.169.254")]),
            ("rebound.example".to_owned(), vec![address("10.0.0.1"), address("127.0.0.1")]),
            ("0x7f000001".to_owned(), loopback()),
            ("2130706433".to_owned(), loopback()),
            ("127.1".to_owned(), loopback()),
            ("017700000001".to_owned(), loopback()),
        ]);
        let names = Names { known, asked: std::sync::Mutex::default() };
        named(file, Arc::new(names), limits())
    }
}

pub(crate) async fn blob(
    upstream: &Upstream,
    host: &Host,
    name: &str,
) -> Result<Vec<u8>, UpstreamError> {
    let name = repository(name);
    let download = upstream.blob(&session(host), &name, Digest::of(b"x"), 0).await?;
    drained(download.chunks).await.map_err(|error| panic!("{error}"))
}

/// Places that nobody is sent to, whoever says so.
const NOWHERE: &[&str] = &[
    "https://169.254.169.254/latest/meta-data/",
    "https://169.254.169.254:VICTIM/",
    "https://[::ffff:169.254.169.254]/",
    "https://[::ffff:a9fe:a9fe]/latest",
    "https://[fd00:ec2::254]/latest",
    "https://[64:ff9b::a9fe:a9fe]/",
    "https://[2002:a9fe:a9fe::1]/",
    "https://metadata.example/computeMetadata/v1/",
    "https://127.0.0.1:VICTIM/",
    "https://127.1:VICTIM/",
    "https://0x7f000001:VICTIM/",
    "https://2130706433:VICTIM/",
    "https://017700000001:VICTIM/",
    "https://localhost:VICTIM/",
    "https://inside.example:VICTIM/",
    "https://six.example:VICTIM/",
    "https://mapped.example:VICTIM/",
    "https://rebound.example:VICTIM/",
    "https://[::1]:VICTIM/",
    "https://[::]:VICTIM/",
    "https://0.0.0.0:VICTIM/",
    "https://10.0.0.1/",
    "https://172.16.0.1/",
    "https://192.168.0.1/",
    "https://100.64.0.1/",
    "https://[fe80::1]/",
    "https://[fc00::1]/",
    "https://224.0.0.1/",
    "https://255.255.255.255/",
    "http://127.0.0.1:VICTIM/",
    "http://inside.example:VICTIM/",
    "http://registry.example:VICTIM/",
    "http://192.0.2.1/",
    "//127.0.0.1:VICTIM/",
    "/\\127.0.0.1:VICTIM/",
    "https://registry.example@127.0.0.1:VICTIM/",
    "https://127.0.0.1:VICTIM\\@registry.example/",
    "https://registry.example.:VICTIM/",
    "gopher://127.0.0.1:VICTIM/",
    "file:///etc/shadow",
    "unix:/run/docker.sock",
    "",
];

#[tokio::test]
async fn no_redirect_leads_inside() {
    let trap = Trap::set(Trick::Redirect, NOWHERE).await;
    let upstream = Trap::client(&trap.file());
    for (index, to) in NOWHERE.iter().enumerate() {
        let told = blob(&upstream, &trap.host, &format!("case/{index}")).await.unwrap_err();
        let expected = matches!(
            told.failure,
            Failure::Guarded { .. } | Failure::NotARegistry { status: 307, .. }
        );
        assert!(expected, "{to}: {told}");
        assert_eq!(trap.victim.connections(), 0, "{to}");
    }
    assert_eq!(trap.registry.seen().len(), NOWHERE.len());
}

/// A realm at the registry's own name, and another port, is another's as well.
const NO_REALM: &[&str] = &["https://registry.example:VICTIM/token", "/token", "token"];

#[tokio::test]
async fn no_realm_leads_inside() {
    for places in [NOWHERE, NO_REALM] {
        let trap = Trap::set(Trick::Realm, places).await;
        let upstream = Trap::client(&trap.file());
        for (index, to) in places.iter().enumerate() {
            let told = blob(&upstream, &trap.host, &format!("case/{index}")).await.unwrap_err();
            let expected = matches!(
                told.failure,
                Failure::Guarded { .. } | Failure::NotARegistry { status: 401, .. }
            );
            assert!(expected, "{to}: {told}");
            assert_eq!(trap.victim.connections(), 0, "{to}");
        }
        assert_eq!(trap.registry.seen().len(), places.len());
    }
}

#[tokio::test]
async fn redirects_end() {
    let trap = Trap::set(Trick::Redirect, &["https://SELF/v2/case/0/again"]).await;
    let told = blob(&Trap::client(&trap.file()), &trap.host, "case/0").await.unwrap_err();
    assert!(told.to_string().contains("more than 5 redirects"), "{told}");
    assert_eq!(trap.registry.seen().len(), 6);
}

/// Nothing that a host's resolver or its file says makes a name private that is not listed so.
#[tokio::test]
async fn registries_themselves_are_guarded() {
    let server = Server::start(|_, _| answer("200 OK", &[], "x")).await;
    let port = server.port;
    for name in [
        "localhost",
        "inside.example",
        "127.0.0.1",
        "[::1]",
        "mapped.example",
        "six.example",
        "rebound.example",
        "127.1",
        "2130706433",
    ] {
        for http in [false, true] {
            let host: Host = format!("{name}:{port}").parse().unwrap();
            let upstream = Trap::client(&json!({"registries": {host.as_str(): {"http": http}}}));
            let told = blob(&upstream, &host, "a/b").await.unwrap_err();
            assert!(matches!(told.failure, Failure::Guarded { .. }), "{host}: {told}");
        }
    }
    for name in ["169.254.169.254", "metadata.example", "[fe80::1]", "0.0.0.0"] {
        let host: Host = format!("{name}:{port}").parse().unwrap();
        let file = json!({"registries": {host.as_str(): {"http": true, "private": true}}});
        let told = blob(&Trap::client(&file), &host, "a/b").await.unwrap_err();
        assert!(matches!(told.failure, Failure::Guarded { .. }), "{host}: {told}");
    }
    // Without TLS nobody is asked of whom the operator does not say so.
    let host = server.host.clone();
    let file = json!({"registries": {host.as_str(): {"private": true}}});
    let told = blob(&Trap::client(&file), &host, "a/b").await.unwrap_err();
    assert!(told.is_outage(), "{told}");
    assert!(server.seen().is_empty());
}
