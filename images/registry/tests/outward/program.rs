//! Other people's programs.

use std::{
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use serde_json::json;
use tempfile::TempDir;

pub(crate) struct Program(PathBuf);

/// From the machine.
pub(crate) fn skopeo() -> Program {
    let places = ["/usr/bin/skopeo", "/usr/local/bin/skopeo"].map(PathBuf::from);
    let found = places.into_iter().find(|path| path.exists());
    Program(found.expect("skopeo is missing: `cargo xtask setup` installs it"))
}

pub(crate) fn umoci() -> Program {
    let found = Some(PathBuf::from("/usr/bin/umoci")).filter(|path| path.exists());
    Program(found.expect("umoci is missing: `cargo xtask setup` installs it"))
}

/// From the set-up.
fn docker_registry() -> PathBuf {
    let root = std::env::var_os("KILN_REGISTRY_CLIENTS").expect(
        "KILN_REGISTRY_CLIENTS is set by `cargo xtask test`, and says where docker-registry is",
    );
    let program = PathBuf::from(root).join("usr/bin/docker-registry");
    assert!(program.exists(), "{} is missing: `cargo xtask setup`", program.display());
    program
}

impl Program {
    pub(crate) fn run(&self, arguments: &[&str]) -> String {
        let output = self.output(arguments);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {errors}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// What it says when it does not succeed, or does.
    pub(crate) fn told(&self, arguments: &[&str]) -> String {
        let output = self.output(arguments);
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
    }

    fn output(&self, arguments: &[&str]) -> Output {
        // What it has seen of blobs it keeps, as root in /var/lib: it has one of its own here.
        let directory = tempfile::tempdir().unwrap();
        let mut command = if rustix::process::geteuid().is_root() {
            let script = "mount -t tmpfs skopeo /var/lib && exec \"$@\"";
            let mut command = Command::new("unshare");
            command.args(["--mount", "sh", "-c", script, "skopeo"]).arg(&self.0);
            command
        } else {
            let mut command = Command::new(&self.0);
            command.env("XDG_DATA_HOME", directory.path());
            command
        };
        command.args(arguments).stdin(Stdio::null()).output().unwrap()
    }
}

/// Debian's docker-registry, on loopback and in a directory of its own.
pub(crate) struct Registry {
    pub(crate) host: String,
    directory: TempDir,
    child: Child,
}

impl Registry {
    pub(crate) fn start() -> Self {
        let program = docker_registry();
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let config = json!({
            "version": "0.1",
            "log": {"level": "error", "accesslog": {"disabled": true}},
            "http": {"addr": format!("127.0.0.1:{port}"), "secret": "s"},
            "storage": {"filesystem": {"rootdirectory": path("data")}, "delete": {"enabled": true}},
        });
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
        let until = Instant::now() + Duration::from_secs(20);
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < until, "docker-registry does not answer");
            std::thread::sleep(Duration::from_millis(20));
        }
        Self { host: format!("127.0.0.1:{port}"), directory, child }
    }

    /// Of a repository, as the registry keeps them.
    pub(crate) fn layers(&self, repository: &str) -> usize {
        let repositories = self.directory.path().join("data/docker/registry/v2/repositories");
        let layers: &Path = &repositories.join(repository).join("_layers/sha256");
        fs::read_dir(layers).map_or(0, Iterator::count)
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        drop(self.child.kill());
        #[expect(clippy::disallowed_methods, reason = "it was killed in the line above")]
        drop(self.child.wait());
    }
}
