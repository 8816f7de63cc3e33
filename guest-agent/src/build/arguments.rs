//! A build in the words of the engine's client: this alone speaks to `docker-buildx`.

use kiln_proto::agent::v1::{EnvironmentVariable, ExecStart};

use super::{
    files::Files,
    layout::Layout,
    request::{Build, Ssh},
};

/// What runs the build. Its arguments are closed: whatever the host brought has been checked, and
/// nothing of it passes a shell.
pub(super) fn command(layout: &Layout, files: &Files, build: &Build) -> ExecStart {
    let mut argv: Vec<String> = vec![layout.client.display().to_string(), "build".to_owned()];
    let mut tell = |name: &str, value: String| argv.push(format!("--{name}={value}"));
    tell("progress", "rawjson".to_owned());
    tell("metadata-file", files.metadata().display().to_string());
    let context = build.context.clone().unwrap_or_else(|| files.empty());
    let dockerfile = match &build.dockerfile {
        Some(path) => context.join(path),
        None => files.dockerfile(),
    };
    tell("file", dockerfile.display().to_string());
    for (name, value) in &build.contexts {
        tell("build-context", format!("{name}={value}"));
    }
    for (index, name) in build.secrets.iter().enumerate() {
        tell("secret", format!("id={name},src={}", files.secret(index).display()));
    }
    for (index, ssh) in build.ssh.iter().enumerate() {
        let at = match ssh {
            Ssh::Relayed(_) => files.socket(index),
            Ssh::Key(_) => files.ssh_key(index),
        };
        tell("ssh", format!("{}={}", ssh.id(), at.display()));
    }
    for export in &build.exports {
        tell("output", format!("{},dest={}", export.attributes, export.path.display()));
    }
    if build.exports.is_empty() {
        // The client would have the engine keep the image, for nobody.
        tell("output", "type=cacheonly".to_owned());
    }
    for cache in &build.cache_from {
        tell("cache-from", cache.clone());
    }
    for cache in &build.cache_to {
        tell("cache-to", cache.clone());
    }
    for platform in &build.platforms {
        tell("platform", platform.to_string());
    }
    argv.extend(build.options.iter().cloned());
    argv.push("--".to_owned());
    argv.push(context.display().to_string());
    let timeout = build.timeout.map_or(0, |timeout| timeout.as_millis());
    ExecStart {
        argv,
        env: environment(layout, files),
        timeout_millis: u64::try_from(timeout).unwrap_or(u64::MAX),
        ..Default::default()
    }
}

fn environment(layout: &Layout, files: &Files) -> Vec<EnvironmentVariable> {
    let home = files.home().display().to_string();
    let variables = [
        ("PATH", layout.path.clone()),
        ("HOME", home.clone()),
        ("DOCKER_CONFIG", home.clone()),
        ("BUILDX_CONFIG", home.clone()),
        ("TMPDIR", home),
        ("DOCKER_HOST", format!("unix://{}", layout.socket.display())),
        // It would start `git` to look for a repository around the context.
        ("BUILDX_GIT_INFO", "false".to_owned()),
        // Provenance is the host's to make; the engine's comes when it is asked for.
        ("BUILDX_NO_DEFAULT_ATTESTATIONS", "1".to_owned()),
    ];
    let variable = |(name, value)| EnvironmentVariable { name: String::from(name), value };
    variables.into_iter().map(variable).collect()
}

#[cfg(test)]
mod tests {
    use kiln_proto::agent::v1::{
        BuildContext, BuildOutput, BuildSsh, BuildStart, build_context::From,
    };

    use super::{
        super::{parts::Parts, request::Asked},
        *,
    };

    fn told(start: BuildStart, parts: Parts) -> Vec<String> {
        let memory = tempfile::tempdir().unwrap();
        let build = Build::try_from(Asked { start, parts }).unwrap();
        let files = Files::write(memory.path(), "one", &build).unwrap();
        let command = command(&Layout::default(), &files, &build);
        for variable in &command.env {
            assert!(!variable.value.contains("hidden"));
        }
        let here = memory.path().join("one").display().to_string();
        command.argv.into_iter().map(|argument| argument.replace(&here, "HERE")).collect()
    }

    #[test]
    fn a_build_is_told_whole() {
        let start = BuildStart {
            context: "/context".into(),
            dockerfile: "a/Dockerfile".into(),
            options: vec!["--target=last".into(), "--label=-- $(reboot)".into()],
            contexts: vec![
                BuildContext { name: "b".into(), from: Some(From::Path("/b".into())) },
                BuildContext {
                    name: "c".into(),
                    from: Some(From::Reference("docker-image://c".into())),
                },
            ],
            secrets: vec!["token".into()],
            ssh: vec![
                BuildSsh { id: "default".into(), relayed: true },
                BuildSsh { id: "key".into(), relayed: false },
            ],
            outputs: vec![BuildOutput {
                disk: "kiln-out-0".into(),
                path: "/run/out".into(),
                attributes: "type=tar".into(),
            }],
            cache_from: vec!["type=registry,ref=a".into()],
            cache_to: vec!["type=inline".into()],
            platforms: vec!["linux/amd64".into(), "linux/arm64".into()],
            ..Default::default()
        };
        let mut parts = Parts::default();
        parts.secrets.insert("token".into(), b"hidden".to_vec());
        parts.ssh_keys.insert("key".into(), b"hidden".to_vec());
        let expected = [
            "/usr/libexec/docker/cli-plugins/docker-buildx",
            "build",
            "--progress=rawjson",
            "--metadata-file=HERE/metadata.json",
            "--file=/context/a/Dockerfile",
            "--build-context=b=/b",
            "--build-context=c=docker-image://c",
            "--secret=id=token,src=HERE/secret-0",
            "--ssh=default=HERE/ssh/0",
            "--ssh=key=HERE/key-1",
            "--output=type=tar,dest=/run/out",
            "--cache-from=type=registry,ref=a",
            "--cache-to=type=inline",
            "--platform=linux/amd64",
            "--platform=linux/arm64",
            "--target=last",
            "--label=-- $(reboot)",
            "--",
            "/context",
        ];
        assert_eq!(told(start, parts), expected);
    }

    #[test]
    fn a_build_without_a_context_has_an_empty_one() {
        let parts = Parts { dockerfile: Some(Vec::new()), ..Default::default() };
        let told = told(BuildStart::default(), parts);
        assert!(told.contains(&"--file=HERE/inline/Dockerfile".to_owned()), "{told:?}");
        assert!(told.contains(&"--output=type=cacheonly".to_owned()), "{told:?}");
        assert_eq!(told.last().unwrap(), "HERE/empty");
    }
}
