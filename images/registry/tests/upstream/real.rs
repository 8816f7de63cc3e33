//! Debian's docker-registry, on loopback and in a directory of its own.

use std::{
    fs,
    net::TcpListener,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use kiln_registry::name::Host;
use tempfile::TempDir;

/// `tester` and `correct horse`.
const HTPASSWD: &str = "tester:$2b$05$abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lOy2\n";
pub(crate) const USER: &str = "tester";
pub(crate) const PASSWORD: &str = "correct horse";

pub(crate) struct Registry {
    pub host: Host,
    pub directory: TempDir,
    child: Child,
}

pub(crate) enum Auth<'a> {
    None,
    Basic,
    /// The token server's URL, and the file of the certificate that it signs with.
    Token(&'a str, &'a str),
}

/// From the set-up.
pub(crate) fn program() -> PathBuf {
    let root = std::env::var_os("KILN_REGISTRY_CLIENTS").expect(
        "KILN_REGISTRY_CLIENTS is set by `cargo xtask test`, and says where docker-registry is",
    );
    let program = PathBuf::from(root).join("usr/bin/docker-registry");
    assert!(program.exists(), "{} is missing: `cargo xtask setup`", program.display());
    program
}

impl Registry {
    /// `tls`: certificate and key, in PEM.
    pub(crate) fn start(program: PathBuf, auth: &Auth<'_>, tls: Option<(String, String)>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        fs::write(path("htpasswd"), HTPASSWD).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let auth = match auth {
            Auth::None => serde_json::json!({}),
            Auth::Basic => {
                serde_json::json!({"htpasswd": {"realm": "tests", "path": path("htpasswd")}})
            }
            Auth::Token(realm, bundle) => serde_json::json!({"token": {
                "realm": realm, "service": "tests", "issuer": "tests", "rootcertbundle": bundle}}),
        };
        let mut http = serde_json::json!({"addr": format!("127.0.0.1:{port}"), "secret": "s"});
        if let Some((certificate, key)) = tls {
            fs::write(path("cert.pem"), certificate).unwrap();
            fs::write(path("key.pem"), key).unwrap();
            http["tls"] =
                serde_json::json!({"certificate": path("cert.pem"), "key": path("key.pem")});
        }
        let mut config = serde_json::json!({"version": "0.1", "log": {"level": "error",
            "accesslog": {"disabled": true}}, "http": http, "storage": {
            "filesystem": {"rootdirectory": path("data")}, "delete": {"enabled": true}}});
        if auth.as_object().is_some_and(|auth| !auth.is_empty()) {
            config["auth"] = auth;
        }
        // JSON is YAML.
        fs::write(path("config.yml"), config.to_string()).unwrap();
        let log = fs::File::create(path("log")).unwrap();
        let child = Command::new(program)
            .arg("serve")
            .arg(path("config.yml"))
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let host = format!("127.0.0.1:{port}").parse().unwrap();
        let registry = Self { host, directory, child };
        let until = Instant::now() + Duration::from_secs(20);
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < until, "no registry: {}", registry.log());
            std::thread::sleep(Duration::from_millis(20));
        }
        registry
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }

    /// A file that nobody else can read.
    pub(crate) fn password_file(&self, password: &str) -> PathBuf {
        private(self.directory.path().join("password"), password)
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        drop(self.child.kill());
        #[expect(clippy::disallowed_methods, reason = "it was killed in the line above")]
        drop(self.child.wait());
    }
}

pub(crate) fn private(path: PathBuf, text: &str) -> PathBuf {
    use std::os::unix::fs::PermissionsExt;
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    path
}
