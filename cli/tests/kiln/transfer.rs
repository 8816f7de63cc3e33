//! Files in, files out.

use std::{fs, os::unix::fs::symlink, path::Path};

use kiln_proto::v1;
use rustix::process::Signal;

use crate::{
    command::{finish, kiln, run, signal},
    fake::{Death, Fake, Plan, completed, exited, job, pattern},
};

/// A tar of one file and a link that leads out.
fn tar(content: &[u8]) -> bytes::Bytes {
    let mut tar = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(1);
    let mut link = header.clone();
    header.set_size(content.len() as u64);
    tar.append_data(&mut header, "dir/file", content).unwrap();
    link.set_entry_type(tar::EntryType::Symlink);
    link.set_size(0);
    tar.append_link(&mut link, "escape", "/etc").unwrap();
    tar.into_inner().unwrap().into()
}

fn with_output(content: &[u8]) -> Plan {
    Plan { outputs: vec![tar(content)], ..Plan::default() }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_directory_is_packed_and_the_command_begins_in_it() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("file"), "content").unwrap();
    symlink("/etc/passwd", directory.path().join("link")).unwrap();
    for (option, workdir, path, expected) in [
        ("", None, "/input", "/input"),
        (":/src", None, "/src", "/src"),
        (":/src", Some("/tmp"), "/src", "/tmp"),
    ] {
        let fake = Fake::running(Vec::new(), completed);
        let input = format!("{}{option}", directory.path().display());
        let mut command = kiln(&fake, &["run", "--input", &input]);
        command.args(workdir.map(|workdir| format!("--workdir={workdir}"))).arg("cmd");
        let (code, _, stderr) = finish(command.spawn().unwrap()).await;
        assert_eq!((code, stderr.as_str()), (0, ""));
        let spec = fake.spec();
        assert_eq!(spec.inputs.len(), 1);
        assert_eq!(spec.inputs[0].path, path);
        assert_eq!(spec.inputs[0].format(), v1::DiskFormat::Tar);
        assert_eq!(fake.exec().workdir, expected);
        let sources = fake.state.sources.lock().unwrap();
        let (_, bytes) = &sources[&spec.inputs[0].source_id];
        let mut archive = tar::Archive::new(&bytes[..]);
        let entries: Vec<_> = archive
            .entries()
            .unwrap()
            .map(|entry| entry.unwrap().path().unwrap().display().to_string())
            .collect();
        assert_eq!(entries, ["file", "link"]);
    }
}

#[tokio::test]
async fn tars_and_files_go_as_they_are() {
    let directory = tempfile::tempdir().unwrap();
    let (archive, raw) = (directory.path().join("a.tar"), directory.path().join("disk.img"));
    fs::write(&archive, tar(b"x")).unwrap();
    fs::write(&raw, pattern(1, 300_000)).unwrap();
    let fake = Fake::running(Vec::new(), completed);
    let (input, input_raw) = (text(&archive), format!("{}:/disk", raw.display()));
    let arguments = ["run", "--input", input, "--input-raw", &input_raw, "--input", "-:/in", "cmd"];
    let stdin = fs::File::open(&archive).unwrap();
    let child = kiln(&fake, &arguments).stdin(stdin).spawn().unwrap();
    let (code, _, stderr) = finish(child).await;
    assert_eq!((code, stderr.as_str()), (0, ""));
    let inputs = fake.spec().inputs;
    let paths: Vec<_> = inputs.iter().map(|input| (input.path.as_str(), input.format())).collect();
    let (tar_format, raw_format) = (v1::DiskFormat::Tar, v1::DiskFormat::Raw);
    assert_eq!(paths, [("/input", tar_format), ("/in", tar_format), ("/disk", raw_format)]);
    let sources = fake.state.sources.lock().unwrap();
    let source = |index: usize| &sources[&inputs[index].source_id];
    let archive_bytes = fs::read(&archive).unwrap();
    assert_eq!(source(0), &(archive_bytes.len() as u64, archive_bytes.clone()));
    assert_eq!(source(1), &(0, archive_bytes));
    assert!(source(2) == &(300_000, fs::read(&raw).unwrap()));
    assert_eq!(fake.exec().workdir, "");
}

#[tokio::test]
async fn an_output_goes_where_it_was_asked_for() {
    let base = tempfile::tempdir().unwrap();
    let at = |path: &str| base.path().join(path);
    fs::create_dir_all(at("there/dir")).unwrap();
    fs::write(at("there/dir/file"), "old").unwrap();
    fs::write(at("there/dir/kept"), "old").unwrap();
    for destination in ["new/deep", "there"] {
        let fake = Fake::start(with_output(b"new"));
        let output = format!("/out:{}", at(destination).display());
        let arguments = ["run", "--output", &output, "--output-size", "2g", "cmd"];
        let (code, _, stderr) = run(&fake, &arguments).await;
        assert_eq!(code, 0, "{stderr}");
        assert_eq!(stderr, "kiln: escape is left out: it may lead out of here, to /etc\n");
        assert_eq!(fs::read_to_string(at(destination).join("dir/file")).unwrap(), "new");
        assert_eq!(names(&at(destination)), ["dir"]);
        let disk = &fake.spec().outputs[0];
        assert_eq!((disk.name.as_str(), disk.path.as_str()), ("output-1", "/out"));
        assert_eq!(disk.max_bytes, 2 << 30);
    }
    assert_eq!(fs::read_to_string(at("there/dir/kept")).unwrap(), "old");
    let fake = Fake::start(with_output(b"new"));
    let output = format!("/out:{}", at("out.tar").display());
    assert_eq!(run(&fake, &["run", "--output", &output, "cmd"]).await.0, 0);
    assert!(fs::read(at("out.tar")).unwrap() == tar(b"new"));

    let (code, stdout, _) = run(&fake, &["run", "--output", "/out:-", "cmd"]).await;
    assert_eq!(code, 0);
    assert!(stdout == tar(b"new"), "stdout is not the tar");
    assert_eq!(names(base.path()), ["new", "out.tar", "there"]);
}

#[tokio::test]
async fn what_is_not_what_the_record_says_comes_nowhere() {
    for destination in ["out", "out.tar"] {
        let base = tempfile::tempdir().unwrap();
        let digest = format!("sha256:{}", "0".repeat(64));
        let fake = Fake::start(Plan { output_digest: Some(digest), ..with_output(b"x") });
        let output = format!("/out:{}", base.path().join(destination).display());
        let (code, _, stderr) = run(&fake, &["run", "-q", "--output", &output, "cmd"]).await;
        assert_eq!(code, 125, "{stderr}");
        assert!(stderr.contains("output output-1 is not what its record says"), "{stderr}");
        assert!(stderr.contains("`kiln job download 01jd"), "{stderr}");
        assert_eq!(names(base.path()), Vec::<String>::new());
    }
}

#[tokio::test]
async fn an_interrupted_download_leaves_nothing() {
    for destination in ["out", "out.tar"] {
        let base = tempfile::tempdir().unwrap();
        let away = std::time::Duration::from_secs(60);
        let plan = Plan {
            deaths: vec![Death::InDownload(1 << 20, away)],
            ..with_output(&pattern(1, 3 << 20))
        };
        let fake = Fake::start(plan);
        let output = format!("/out:{}", base.path().join(destination).display());
        let mut child = kiln(&fake, &["run", "--output", &output, "cmd"]).spawn().unwrap();
        // It says that it reconnects in the middle of the download.
        let mut said = [0; 4];
        let stderr = child.stderr.as_mut().unwrap();
        tokio::io::AsyncReadExt::read_exact(stderr, &mut said).await.unwrap();
        assert_eq!(names(base.path()).len(), 1);
        signal(&child, Signal::TERM);
        let (code, _, stderr) = finish(child).await;
        assert_eq!(code, 130, "{stderr}");
        assert_eq!(names(base.path()), Vec::<String>::new());
    }
}

#[tokio::test]
async fn a_failed_job_has_no_outputs() {
    let base = tempfile::tempdir().unwrap();
    let fake = Fake::start(Plan { end: exited::<7>, ..with_output(b"x") });
    let output = format!("/out:{}", base.path().join("out").display());
    let (code, _, stderr) = run(&fake, &["run", "--output", &output, "cmd"]).await;
    assert_eq!((code, stderr.as_str()), (7, ""));
    assert_eq!(names(base.path()), Vec::<String>::new());
}

#[tokio::test]
async fn what_cannot_work_is_refused_before_anything_is_begun() {
    let base = tempfile::tempdir().unwrap();
    let at = |path: &str| text(&base.path().join(path)).to_owned();
    fs::write(base.path().join("file"), "").unwrap();
    fs::write(base.path().join("a.tar"), "").unwrap();
    let fake = Fake::running(Vec::new(), completed);
    let (file, none, tar) = (at("file"), at("none"), at("a.tar"));
    let (raw, out_file, out_none) =
        (format!("{}:/x", base.path().display()), format!("/o:{file}"), format!("/o:{none}/x.tar"));
    for (arguments, part) in [
        (&["--input", &none][..], "cannot open"),
        (&["--input", &file], "neither a directory nor a file that ends in .tar"),
        (&["--input", &tar, "--input", &tar], "two inputs go to /input"),
        (&["--input", "-", "-i"], "stdin can be one thing"),
        (&["--input", "-", "--input", "-:/x"], "stdin can be one thing"),
        (&["--input-raw", &raw], "is no file"),
        (&["--output", &out_file], "is no directory"),
        (&["--output", &out_none], "cannot write to"),
        (&["--output", "/o"], "has no destination"),
        (&["--output", "/o:-", "--json"], "stdout can be one thing"),
        (&["--output", "/o:-", "--output", "/p:-"], "stdout can be one thing"),
        (&["-d", "--output", "/o:out"], "has no destination"),
    ] {
        let arguments = [&["run"], arguments, &["cmd"]].concat();
        let (code, stdout, stderr) = run(&fake, &arguments).await;
        assert_eq!((code, stdout.len()), (125, 0), "{arguments:?}: {stderr}");
        assert!(stderr.contains(part), "{arguments:?}: {stderr}");
    }
    assert!(fake.state.created.lock().unwrap().is_empty());
    assert_eq!(*fake.state.uploads.lock().unwrap(), 0);
}

#[tokio::test]
async fn a_host_without_room_is_told_in_its_words() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("file"), pattern(1, 4 << 20)).unwrap();
    let fake = Fake::start(Plan { refuse_upload: Some(1 << 20), ..Plan::default() });
    let (code, _, stderr) = run(&fake, &["run", "--input", text(directory.path()), "cmd"]).await;
    assert_eq!(code, 125);
    assert!(stderr.contains("no room for this source"), "{stderr}");
    assert!(fake.state.created.lock().unwrap().is_empty());
}

#[tokio::test]
async fn outputs_can_be_brought_later() {
    let base = tempfile::tempdir().unwrap();
    let fake = Fake::start(with_output(b"later"));
    let (_, id, _) = run(&fake, &["run", "-d", "--output", "/out", "cmd"]).await;
    let id = String::from_utf8(id).unwrap();
    let id = id.trim();
    assert_eq!(run(&fake, &["job", "wait", id]).await.0, 0);
    let (_, stdout, _) = run(&fake, &["job", "outputs", id]).await;
    let stdout = String::from_utf8(stdout).unwrap();
    assert!(stdout.contains("output-1") && stdout.contains("/out"), "{stdout}");
    let (_, stdout, _) = run(&fake, &["job", "outputs", "--json", id]).await;
    let output: serde_json::Value = serde_json::from_slice(&stdout).unwrap();
    assert_eq!(output["size_bytes"], tar(b"later").len());
    let dest = base.path().join("dest");
    let (code, _, stderr) =
        run(&fake, &["job", "download", "-q", id, "output-1", text(&dest)]).await;
    assert_eq!((code, stderr.as_str()), (0, ""));
    assert_eq!(fs::read_to_string(dest.join("dir/file")).unwrap(), "later");
    let (code, _, stderr) = run(&fake, &["job", "download", id, "other", text(&dest)]).await;
    assert_eq!(code, 125);
    assert!(stderr.contains("has no output \"other\", but output-1"), "{stderr}");
}

#[tokio::test]
async fn a_job_without_outputs_says_so() {
    let mut done = job("01jd0000000000000000000001", v1::JobState::Queued, &["true"]);
    completed(&mut done);
    let queued = job("01jd0000000000000000000002", v1::JobState::Queued, &["true"]);
    let fake = Fake::with_jobs(vec![done, queued]);
    for (id, part) in [
        ("01jd0000000000000000000001", "has no outputs"),
        ("01jd0000000000000000000002", "goes on"),
    ] {
        let (code, _, stderr) = run(&fake, &["job", "download", id, "x", "/tmp/none"]).await;
        assert_eq!(code, 125);
        assert!(stderr.contains(part), "{stderr}");
    }
}
