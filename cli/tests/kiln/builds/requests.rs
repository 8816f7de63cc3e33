//! What kilnd is asked for.

use kiln_proto::v1::{self, build_spec::Dockerfile};

use super::*;

fn spec(fake: &Fake) -> v1::BuildSpec {
    let created = fake.state.builds.created.lock().unwrap();
    match created[0].spec.clone().unwrap().work {
        Some(v1::job_spec::Work::Build(build)) => build,
        other => panic!("no build: {other:?}"),
    }
}

#[tokio::test]
async fn secrets_go_beside_the_spec() {
    let fake = fake(good());
    let context = context();
    let mut command = kiln(&fake, &["build", "--secret", "id=token,env=TOKEN", "--build-arg", "V"]);
    command.arg(context.path()).env("TOKEN", "hush").env("V", "7");
    let (code, _, stderr) = finish(command.spawn().unwrap()).await;
    assert_eq!(code, 0, "{stderr}");
    let build = spec(&fake);
    assert_eq!(build.secrets, ["token"]);
    assert_eq!((build.build_args[0].key.as_str(), build.build_args[0].value.as_str()), ("V", "7"));
    let created = fake.state.builds.created.lock().unwrap();
    assert_eq!(&created[0].secrets[0].value[..], b"hush");
    assert!(!format!("{:?}", created[0].spec).contains("hush"));
}

#[tokio::test]
async fn a_context_that_has_not_changed_is_not_sent_again() {
    let fake = fake(good());
    let context = context();
    for _ in 0..2 {
        let (code, _, stderr) = run(&fake, &["build", context.path().to_str().unwrap()]).await;
        assert_eq!(code, 0, "{stderr}");
    }
    assert_eq!(*fake.state.uploads.lock().unwrap(), 1);
}

#[tokio::test]
async fn a_dockerfile_is_in_the_context_or_comes_along() {
    let dockerfile = b"FROM scratch\n".as_slice();
    let outside = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(outside.path(), dockerfile).unwrap();
    let inline = Some(Dockerfile::DockerfileInline(dockerfile.into()));
    {
        let fake = fake(good());
        let (code, _, stderr) = build(&fake, &["-f", outside.path().to_str().unwrap()]).await;
        assert_eq!(code, 0, "{stderr}");
        assert_eq!(spec(&fake).dockerfile, inline);
    }
    let fake = fake(good());
    let (code, _, stderr) = build(&fake, &["-f", "/nowhere/Dockerfile"]).await;
    assert_eq!(code, 125);
    assert!(stderr.contains("/nowhere/Dockerfile"), "{stderr}");
    assert!(fake.state.builds.created.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_context_that_is_none_is_told_before_anything() {
    let fake = fake(good());
    let empty = tempfile::tempdir().unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    let check = async |path: &str, words: &str| {
        let (code, stdout, stderr) = run(&fake, &["build", path]).await;
        assert_eq!((code, stdout.len()), (125, 0), "{path}: {stderr}");
        assert!(stderr.contains(words), "{path}: {stderr}");
    };
    check("/nowhere", "/nowhere").await;
    check(file.path().to_str().unwrap(), "director").await;
    check(empty.path().to_str().unwrap(), "Dockerfile").await;
    check("https://h.test/a.git", "git repositories come later").await;
    assert!(fake.state.builds.created.lock().unwrap().is_empty());
    assert!(fake.state.sources.lock().unwrap().is_empty());
}

#[tokio::test]
async fn our_ssh_agent_is_served_to_the_build() {
    // Of the agent's protocol: which keys there are, and that there are none.
    const KEYS: &[u8] = b"\0\0\0\x01\x0b";
    const NO_KEYS: &[u8] = b"\0\0\0\x05\x0c\0\0\0\0";
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("agent");
    let agent = tokio::net::UnixListener::bind(&socket).unwrap();
    tokio::spawn(async move {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let (mut stream, _) = agent.accept().await.unwrap();
        let mut asked = [0; 5];
        stream.read_exact(&mut asked).await.unwrap();
        assert_eq!(&asked, KEYS);
        stream.write_all(NO_KEYS).await.unwrap();
    });
    let mut plan = good();
    plan.ssh = Some(("default".to_owned(), Bytes::from_static(KEYS)));
    plan.steps.insert(1, BuildStep::UntilSsh);
    let fake = fake(plan);
    let context = context();
    let mut command = kiln(&fake, &["build", "--ssh", "default"]);
    command.arg(context.path()).env("SSH_AUTH_SOCK", &socket);
    let (code, _, stderr) = finish(command.spawn().unwrap()).await;
    assert_eq!(code, 0, "{stderr}");
    assert!(fake.state.builds.ssh.borrow().starts_with(NO_KEYS));
    assert_eq!(spec(&fake).ssh, [v1::SshSource { id: "default".to_owned(), key: false }]);
}
