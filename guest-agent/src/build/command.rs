//! A build for the engine's client: its order, and the process that carries it out, which is the agent's
//! own program.

use kiln_buildkit as client;
use kiln_proto::agent::v1::{EnvironmentVariable, ExecStart};

use super::{
    files::Files,
    layout::Layout,
    request::{Build, Ssh},
};

/// The word by which the agent's program knows that it is to build.
pub(crate) const WORD: &str = "build";

/// What was asked for, where it is in this guest.
pub(super) fn order(layout: &Layout, files: &Files, build: &Build) -> client::Order {
    let context = build.order.context.clone();
    let dockerfile = match &build.dockerfile {
        Some(name) => {
            client::Dockerfile { directory: context.unwrap_or_default(), name: name.clone() }
        }
        None => files.dockerfile(),
    };
    let secret = |(index, id): (usize, &String)| client::Secret {
        id: id.clone(),
        path: files.secret(index),
    };
    let ssh = |(index, ssh): (usize, &Ssh)| client::Ssh {
        id: ssh.id().clone(),
        from: match ssh {
            Ssh::Relayed(_) => client::SshFrom::Socket(files.socket(index)),
            Ssh::Key(_) => client::SshFrom::Key(files.ssh_key(index)),
        },
    };
    client::Order {
        engine: layout.socket.clone(),
        dockerfile,
        secrets: build.secrets.iter().enumerate().map(secret).collect(),
        ssh: build.ssh.iter().enumerate().map(ssh).collect(),
        exports: build.exports.iter().map(|export| export.told.clone()).collect(),
        platforms: build.platforms.iter().map(ToString::to_string).collect(),
        ..build.order.clone()
    }
}

/// Nothing of what the host brought stands in it.
pub(super) fn command(layout: &Layout, files: &Files, build: &Build) -> ExecStart {
    let text = |path: &std::path::Path| path.display().to_string();
    let timeout = build.timeout.map_or(0, |timeout| timeout.as_millis());
    let variables = [
        ("PATH", layout.path.clone()),
        ("HOME", text(&files.home())),
        ("TMPDIR", text(&files.home())),
    ];
    let variable = |(name, value)| EnvironmentVariable { name: String::from(name), value };
    ExecStart {
        argv: vec![text(&layout.client), WORD.to_owned(), text(&files.order())],
        env: variables.into_iter().map(variable).collect(),
        timeout_millis: u64::try_from(timeout).unwrap_or(u64::MAX),
        ..Default::default()
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use kiln_proto::agent::v1::{BuildOptions, BuildSsh, BuildStart};

    use super::{
        super::{parts::Parts, request::Asked},
        *,
    };

    /// With `HERE` for the build's own directory.
    fn told(start: BuildStart, parts: Parts) -> (client::Order, Vec<String>) {
        let memory = tempfile::tempdir().unwrap();
        let build = Build::try_from(Asked { start, parts }).unwrap();
        let mut files = Files::write(memory.path(), "one", &build).unwrap();
        let order = order(&Layout::default(), &files, &build);
        files.put_order(&order).unwrap();
        let here = memory.path().join("one").display().to_string();
        let written = std::fs::read_to_string(files.order()).unwrap();
        assert_eq!(serde_json::from_str::<client::Order>(&written).unwrap(), order);
        let order = serde_json::from_str(&written.replace(&here, "/HERE")).unwrap();
        let command = command(&Layout::default(), &files, &build);
        let said = command.argv.iter().chain(command.env.iter().map(|variable| &variable.value));
        (order, said.map(|word| word.replace(&here, "/HERE")).collect())
    }

    #[test]
    fn a_build_is_told_whole_in_its_order() {
        let start = BuildStart {
            context: "/context".into(),
            dockerfile: "a/Dockerfile".into(),
            options: Some(BuildOptions { target: "last".into(), ..Default::default() }),
            secrets: vec!["token".into()],
            ssh: vec![
                BuildSsh { id: "default".into(), relayed: true },
                BuildSsh { id: "key".into(), relayed: false },
            ],
            cache_from: vec!["one.test/a:1".into()],
            platforms: vec!["linux/amd64".into(), "linux/arm64".into()],
            ..Default::default()
        };
        let mut parts = Parts::default();
        parts.secrets.insert("token".into(), b"hidden".to_vec());
        parts.ssh_keys.insert("key".into(), b"hidden".to_vec());
        let (order, words) = told(start, parts);
        assert_eq!(words[..3], ["/proc/self/exe", "build", "/HERE/order.json"]);
        assert!(!format!("{words:?} {order:?}").contains("hidden"));
        assert_eq!(order.engine, PathBuf::from("/run/docker.sock"));
        assert_eq!(order.context.as_deref(), Some("/context".as_ref()));
        assert_eq!(
            order.dockerfile,
            client::Dockerfile { directory: "/context".into(), name: "a/Dockerfile".into() }
        );
        let ssh: Vec<_> = order.ssh.iter().map(|ssh| ssh.from.clone()).collect();
        assert_eq!(
            ssh,
            [
                client::SshFrom::Socket("/HERE/ssh/0".into()),
                client::SshFrom::Key("/HERE/key-1".into()),
            ]
        );
        assert_eq!(order.secrets[0].path, PathBuf::from("/HERE/secret-0"));
        assert_eq!(order.platforms, ["linux/amd64", "linux/arm64"]);
        assert_eq!(order.target.as_deref(), Some("last"));
        assert_eq!(order.cache_from[0].attributes["ref"], "one.test/a:1");
    }

    #[test]
    fn a_build_without_a_context_brings_its_dockerfile() {
        let parts = Parts { dockerfile: Some(Vec::new()), ..Default::default() };
        let (order, _) = told(BuildStart::default(), parts);
        assert_eq!((order.context, order.exports), (None, Vec::new()));
        assert_eq!(
            order.dockerfile,
            client::Dockerfile { directory: "/HERE/inline".into(), name: "Dockerfile".into() }
        );
    }
}
