//! Real TLS, from one end to the other.

use std::{
    process::{Command, Stdio},
    time::Duration,
};

use super::world::{World, run, world};

/// A host with several names, and its certificate made here.
struct Server(std::process::Child);

impl Server {
    async fn start(world: &World) -> Self {
        let path = |name: &str| world.directory.path().join(name).display().to_string();
        let (key, certificate) = (path("key"), path("certificate"));
        #[rustfmt::skip]
        run("openssl", &[
            "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
            "-subj", "/CN=one.test", "-addext", "subjectAltName=DNS:one.test,DNS:two.test",
            "-keyout", &key, "-out", &certificate,
        ]);
        let child = Command::new("openssl")
            .args(["s_server", "-accept", "203.0.113.1:443", "-groups", "X25519"])
            .args(["-key", &key, "-cert", &certificate, "-rev", "-quiet"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("openssl");
        let server = Self(child);
        for _ in 0..200 {
            if tokio::net::TcpStream::connect("203.0.113.1:443").await.is_ok() {
                return server;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("openssl does not listen");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = rustix::process::waitpid(
            Some(rustix::process::Pid::from_child(&self.0)),
            rustix::process::WaitOptions::empty(),
        );
    }
}

/// What the server answered, reversed.
async fn client(arguments: &[&str]) -> String {
    let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
    let asked = tokio::task::spawn_blocking(move || {
        let script = "{ echo stressed; sleep 1; } | timeout 20 openssl s_client \
            -connect 203.0.113.1:443 -bind 198.51.100.2:0 -quiet -no_ign_eof -verify_quiet \"$@\" 2>/dev/null";
        Command::new("sh").args(["-c", script, "sh"]).args(arguments).output()
    });
    let output = asked.await.expect("no panic").expect("a client");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

#[test]
fn hosts_on_one_address_are_told_apart() {
    world("allow=one.test", async |world| {
        world.admit("one.test", "203.0.113.1");
        world.admit("two.test", "203.0.113.1");
        let _server = Server::start(world).await;
        // The last one's first key is of a kind that the server asks to be given otherwise.
        for versions in [&["-tls1_2"][..], &["-tls1_3"], &["-groups", "P-521:X25519"]] {
            // The server serves one after the other.
            let mut clients = tokio::task::JoinSet::new();
            for (name, expected) in [
                (&["-servername", "one.test"][..], "desserts"),
                (&["-servername", "two.test"], ""),
                (&["-noservername"], ""),
            ] {
                let arguments = [name, versions].concat();
                clients.spawn(async move {
                    assert_eq!(client(&arguments).await, expected, "{arguments:?}");
                });
            }
            while let Some(asked) = clients.join_next().await {
                asked.expect("as expected");
            }
        }
        assert_eq!((world.flows()[0].connections, world.refusals().len()), (3, 2));
    });
}
