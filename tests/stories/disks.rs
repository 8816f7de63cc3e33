//! What goes into a guest and comes out of it, byte for byte and name for name.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs,
    os::unix::{
        ffi::OsStringExt as _,
        fs::{PermissionsExt as _, symlink},
    },
    path::{Path, PathBuf},
};

use kiln_proto::v1::{FailureClass, JobState};
use kiln_tests::{Host, Stage, Story, digest, noise, stories};

pub(crate) fn stories() -> Vec<Story> {
    stories![
        a_directory_with_odd_names_goes_in_and_comes_out.nested(),
        the_same_with_a_stub,
        one_file_goes_in_and_comes_out,
        an_output_that_is_too_large_is_named,
        an_output_that_is_not_there_is_named,
    ]
}

async fn a_directory_with_odd_names_goes_in_and_comes_out(stage: &Stage) -> anyhow::Result<()> {
    round_trip(stage, stage.host().start().await?, "/work").await
}

async fn the_same_with_a_stub(stage: &Stage) -> anyhow::Result<()> {
    let work = stage.directory().join("guest-work").display().to_string();
    round_trip(stage, stage.stub_host().start().await?, &work).await
}

/// What a tree holds, to be compared.
#[derive(Debug, PartialEq, Eq)]
enum Entry {
    Directory,
    /// Its digest and mode.
    File(String, u32),
    Link(PathBuf),
}

fn tree(root: &Path) -> anyhow::Result<BTreeMap<PathBuf, Entry>> {
    let mut found = BTreeMap::new();
    let mut below = vec![root.to_owned()];
    while let Some(directory) = below.pop() {
        for entry in fs::read_dir(&directory)? {
            let path = entry?.path();
            let data = fs::symlink_metadata(&path)?;
            let entry = if data.is_dir() {
                below.push(path.clone());
                Entry::Directory
            } else if data.is_symlink() {
                Entry::Link(fs::read_link(&path)?)
            } else {
                Entry::File(digest(&fs::read(&path)?), data.permissions().mode() & 0o777)
            };
            found.insert(path.strip_prefix(root)?.to_owned(), entry);
        }
    }
    Ok(found)
}

/// Names that somebody's shell, parser or screen would stumble over.
fn odd_names() -> Vec<OsString> {
    let long = "x".repeat(255);
    let text = ["a b", "-rf", "*", "new\nline", "ünï©ode", "'\"$(id)`", ".hidden", "tab\t", &long];
    let mut names: Vec<OsString> = text.iter().map(OsString::from).collect();
    names.push(OsString::from_vec(b"\xff\xfe not UTF-8".to_vec()));
    names
}

async fn round_trip(stage: &Stage, host: Host, work: &str) -> anyhow::Result<()> {
    let source = stage.directory().join("source");
    fs::create_dir_all(source.join("deep/".repeat(20)))?;
    fs::create_dir(source.join("empty"))?;
    for (number, name) in odd_names().iter().enumerate() {
        fs::write(source.join(name), noise(number as u64, 1000 * number))?;
    }
    fs::write(source.join("run.sh"), "#!/bin/sh\necho ran\n")?;
    fs::set_permissions(source.join("run.sh"), fs::Permissions::from_mode(0o755))?;
    symlink("run.sh", source.join("link"))?;
    symlink("/nonexistent/absolute", source.join("dangling"))?;
    let mut expected = tree(&source)?;

    let result = stage.directory().join("result");
    let input = format!("{}:{work}", source.display());
    let output = format!("{work}:{}", result.display());
    let script =
        format!("cd {work} && ./run.sh && rm -- -rf && mkdir made && printf new > made/file");
    let run = ["run", "--disk", "512M", "--input", &input, "--output", &output, "--"];
    let ended = host.kiln(run).arguments(["sh", "-c", &script]).run().await?;
    assert_eq!(ended.code, Some(0), "{ended}");
    assert_eq!(ended.stdout_text(), "ran\n", "{ended}");
    expected.remove(Path::new("-rf"));
    // A link that leads out of the directory is not brought here, and that is said.
    expected.remove(Path::new("dangling"));
    assert!(ended.stderr_text().contains("dangling is left out"), "{ended}");
    expected.insert("made".into(), Entry::Directory);
    let mut came = tree(&result)?;
    let made = came.remove(Path::new("made/file")).expect("what the command made");
    assert!(matches!(made, Entry::File(made, _) if made == digest(b"new")));
    for (path, entry) in &expected {
        assert_eq!(came.remove(path).as_ref(), Some(entry), "{}: {ended}", path.display());
    }
    assert_eq!(came, BTreeMap::new(), "what nobody sent");
    host.vms_are_gone().await?;
    host.stop().await
}

async fn one_file_goes_in_and_comes_out(stage: &Stage) -> anyhow::Result<()> {
    let host = stage.host().start().await?;
    let (source, result) = (stage.directory().join("in"), stage.directory().join("out"));
    let bytes = noise(9, 5_000_001);
    fs::write(&source, &bytes)?;
    let input = format!("{}:/data/in", source.display());
    let output = format!("/data/out:{}", result.display());
    let ended = host
        .kiln(["run", "--input-raw", &input, "--output-raw", &output, "--", "cp"])
        .arguments(["/data/in", "/data/out"])
        .run()
        .await?;
    assert_eq!(ended.code, Some(0), "{ended}");
    assert_eq!(fs::read(&result)?, bytes);
    let record = host.newest_job().await?.outputs.pop().expect("an output");
    assert_eq!(record.digest, format!("sha256:{}", digest(&bytes)));
    host.stop().await
}

async fn an_output_that_is_too_large_is_named(stage: &Stage) -> anyhow::Result<()> {
    let host = stage.host().start().await?;
    let result = stage.directory().join("out");
    let output = format!("/out:{}", result.display());
    let run = ["run", "--output", &output, "--output-size", "1M", "--", "sh", "-c"];
    let script = "mkdir /out; head -c 3000000 /dev/zero > /out/zeros";
    let ended = host.kiln(run).argument(script).run().await?;
    assert_ne!(ended.code, Some(0), "{ended}");
    let job = host.newest_job().await?;
    assert_eq!(job.state(), JobState::Failed, "{job:?}");
    let failure = job.failure.expect("a failure");
    assert_eq!(failure.class(), FailureClass::DiskFull, "{failure:?}");
    assert!(!result.exists() || fs::read_dir(&result)?.count() == 0, "half an output came");
    host.stop().await
}

async fn an_output_that_is_not_there_is_named(stage: &Stage) -> anyhow::Result<()> {
    let host = stage.host().start().await?;
    let output = format!("/nowhere:{}", stage.directory().join("out").display());
    let ended = host.kiln(["run", "--output", &output, "--", "true"]).run().await?;
    assert_ne!(ended.code, Some(0), "{ended}");
    assert!(ended.stderr_text().contains("/nowhere"), "{ended}");
    let failure = host.newest_job().await?.failure.expect("a failure");
    assert_eq!(failure.class(), FailureClass::User, "{failure:?}");
    host.stop().await
}
