//! What is brought here of a build.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use super::*;
use crate::fake::pattern;

fn tar() -> Bytes {
    tar_of("file")
}

/// A tar with one file.
fn tar_of(name: &str) -> Bytes {
    let mut tar = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(5);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    tar.append_data(&mut header, name, &b"hello"[..]).unwrap();
    tar.into_inner().unwrap().into()
}

fn with(artifacts: &[(&str, Bytes)]) -> BuildPlan {
    let artifacts =
        artifacts.iter().map(|(name, bytes)| ((*name).to_owned(), bytes.clone())).collect();
    BuildPlan { artifacts, ..good() }
}

#[tokio::test]
async fn several_at_once_come_to_their_places() {
    let image = pattern(1, 300_000);
    let fake = fake(with(&[("image.oci.tar", image.clone()), ("tree.tar", tar())]));
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let oci = format!("type=oci,dest={}", at("app.tar").display());
    let tree = at("out").display().to_string();
    let (iid, metadata) = (at("iid").display().to_string(), at("meta").display().to_string());
    let arguments = ["-o", &oci, "-o", &tree, "--iidfile", &iid, "--metadata-file", &metadata];
    let (code, _, stderr) = build(&fake, &arguments).await;
    assert_eq!(code, 0, "{stderr}");
    assert_eq!(fs::read(at("app.tar")).unwrap(), image);
    assert_eq!(fs::read(at("out/file")).unwrap(), b"hello");
    assert_eq!(fs::read_to_string(at("iid")).unwrap(), "sha256:c");
    let metadata: Value = serde_json::from_slice(&fs::read(at("meta")).unwrap()).unwrap();
    assert_eq!(metadata["containerimage.digest"], "sha256:m");
    assert_eq!(metadata["image.name"], "local/app:latest");
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 4);
}

/// As buildx has it: a tree is a whole system's, whose links are none of ours. A later build does
/// not write through them.
#[tokio::test]
async fn links_of_a_tree_stay_as_they_are_and_lead_nowhere() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    fs::create_dir(at("outside")).unwrap();
    let out = at("out").display().to_string();
    let mut links = tar::Builder::new(Vec::new());
    for (name, target) in [("door", at("outside")), ("up", "../../..".into())] {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_size(0);
        header.set_mode(0o777);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        links.append_link(&mut header, name, target).unwrap();
    }
    let links = fake(with(&[("tree.tar", links.into_inner().unwrap().into())]));
    let (code, _, stderr) = build(&links, &["-o", &out]).await;
    assert_eq!(code, 0, "{stderr}");
    assert!(!stderr.contains("left out"), "{stderr}");
    assert_eq!(fs::read_link(at("out/door")).unwrap(), at("outside"));
    assert_eq!(fs::read_link(at("out/up")).unwrap(), Path::new("../../.."));

    let through = fake(with(&[("tree.tar", tar_of("door/file"))]));
    let (code, _, stderr) = build(&through, &["-o", &out]).await;
    assert_eq!(code, 125, "{stderr}");
    assert_eq!(fs::read_dir(at("outside")).unwrap().count(), 0);
    assert_eq!(fs::read_dir(at("out")).unwrap().count(), 2);
}

#[tokio::test]
async fn stdout_takes_one() {
    let fake = fake(with(&[("tree.tar", tar())]));
    let (code, stdout, stderr) = build(&fake, &["-o", "-"]).await;
    assert_eq!(code, 0, "{stderr}");
    assert_eq!(stdout.as_bytes(), tar());
    let (code, _, stderr) = build(&fake, &["-o", "-", "--json"]).await;
    assert_eq!(code, 125);
    assert!(stderr.contains("stdout can be one thing"), "{stderr}");
}

#[tokio::test]
async fn a_broken_download_goes_on_and_a_wrong_one_leaves_nothing() {
    let image = pattern(2, 500_000);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("app.tar");
    let oci = format!("type=oci,dest={}", path.display());
    {
        let fake = Fake::start(Plan {
            build: with(&[("image.oci.tar", image.clone())]),
            deaths: vec![Death::InDownload(200_000, Duration::from_millis(200))],
            ..Plan::default()
        });
        let (code, _, stderr) = build(&fake, &["-o", &oci]).await;
        assert_eq!(code, 0, "{stderr}");
        assert_eq!(fs::read(&path).unwrap(), image);
        fs::remove_file(&path).unwrap();
    }
    let artifact_digest = Some("sha256:other".to_owned());
    let fake = fake(BuildPlan { artifact_digest, ..with(&[("image.oci.tar", image)]) });
    let iid = directory.path().join("iid");
    let (code, _, stderr) = build(&fake, &["-o", &oci, "--iidfile", iid.to_str().unwrap()]).await;
    assert_eq!(code, 125);
    assert!(stderr.contains("is not what its record says"), "{stderr}");
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
}

/// A docker that keeps what it is given, and says so.
fn docker(directory: &TempDir, script: &str) -> String {
    let path = directory.path().join("docker");
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    let path = std::env::var("PATH").unwrap();
    format!("{}:{path}", directory.path().display())
}

async fn load(fake: &Fake, path: &str) -> (i32, String) {
    let context = context();
    let mut command = kiln(fake, &["build", "--load", "-t", "app"]);
    command.arg(context.path()).env("PATH", path);
    let (code, _, stderr) = finish(command.spawn().unwrap()).await;
    (code, stderr)
}

#[tokio::test]
async fn load_pipes_into_docker() {
    let image = pattern(3, 200_000);
    let directory = tempfile::tempdir().unwrap();
    let path =
        docker(&directory, "[ \"$1\" = load ] && cat > \"${0%/*}/loaded\" && echo Loaded app");
    let fake = fake(with(&[("image.docker.tar", image.clone())]));
    let (code, stderr) = load(&fake, &path).await;
    assert_eq!(code, 0, "{stderr}");
    assert_eq!(fs::read(directory.path().join("loaded")).unwrap(), image);
    assert!(stderr.contains("Loaded app"), "{stderr}");
}

#[tokio::test]
async fn what_is_not_whole_is_not_loaded_and_failures_are_dockers_words() {
    let directory = tempfile::tempdir().unwrap();
    let path = docker(&directory, "cat > \"${0%/*}/part\" && touch \"${0%/*}/done\"");
    let artifact_digest = Some("sha256:other".to_owned());
    let image = pattern(3, 200_000);
    {
        let fake =
            fake(BuildPlan { artifact_digest, ..with(&[("image.docker.tar", image.clone())]) });
        let (code, stderr) = load(&fake, &path).await;
        assert_eq!(code, 125, "{stderr}");
        assert!(!directory.path().join("done").exists());
        let part = fs::read(directory.path().join("part")).unwrap_or_default();
        assert!(part.len() < image.len());
    }
    let path = docker(&directory, "cat > /dev/null; echo no room >&2; exit 3");
    {
        let fake = fake(with(&[("image.docker.tar", image)]));
        let (code, stderr) = load(&fake, &path).await;
        assert_eq!(code, 125, "{stderr}");
        assert!(stderr.contains("no room"), "{stderr}");
    }
}

#[tokio::test]
async fn without_docker_nothing_is_begun() {
    let fake = fake(good());
    let context = context();
    let empty = tempfile::tempdir().unwrap();
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_kiln"));
    command
        .args(["build", "--load"])
        .arg(context.path())
        .env("KILN_SOCKET", &fake.socket)
        .env("PATH", empty.path())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped());
    let (code, _, stderr) = finish(command.spawn().unwrap()).await;
    assert_eq!(code, 125);
    assert!(stderr.contains("there is no docker on PATH"), "{stderr}");
    assert!(fake.state.builds.created.lock().unwrap().is_empty());
}

#[tokio::test]
async fn artifacts_are_listed_and_downloaded_later() {
    let fake = fake(with(&[("image.oci.tar", tar())]));
    let (_, id, _) = build(&fake, &["-d", "-o", "type=oci"]).await;
    let id = id.trim();
    let (_, stdout, _) = run(&fake, &["job", "outputs", id]).await;
    assert!(String::from_utf8(stdout).unwrap().contains("image.oci.tar"));
    let (_, stdout, _) = run(&fake, &["job", "outputs", "--json", id]).await;
    let artifact: Value = serde_json::from_slice(&stdout).unwrap();
    assert_eq!(artifact["name"], "image.oci.tar");
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("layout");
    let to = path.to_str().unwrap();
    let (code, _, stderr) = run(&fake, &["job", "download", id, "image.oci.tar", to]).await;
    assert_eq!(code, 0, "{stderr}");
    assert_eq!(fs::read(path.join("file")).unwrap(), b"hello");
    let (code, _, stderr) = run(&fake, &["job", "download", id, "none.tar", to]).await;
    assert_eq!(code, 125);
    assert!(stderr.contains("but image.oci.tar"), "{stderr}");
}
