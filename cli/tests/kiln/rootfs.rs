//! `kiln rootfs …`, `kiln build -o type=rootfs`, and their jobs in `kiln job …`.

mod chain;

use std::{fs, os::unix::fs::MetadataExt, path::Path, time::Duration};

use bytes::Bytes;
use kiln_proto::v1::{self, rootfs_spec::Source};
use rustix::process::Signal;
use serde_json::Value;

use crate::{
    command::{finish, kiln, run, signal},
    fake::{BuildPlan, Death, Fake, Plan, RootfsPlan, Step, failed, pattern},
};

/// A file system: something, a large hole, and something.
fn ext4() -> Bytes {
    let mut bytes = pattern(1, 100_000).to_vec();
    bytes.resize(4 << 20, 0);
    bytes[3 << 20..(3 << 20) + 5].copy_from_slice(b"there");
    bytes.into()
}

fn artifacts() -> Vec<(String, Bytes)> {
    vec![
        ("rootfs.ext4".to_owned(), ext4()),
        ("rootfs.json".to_owned(), Bytes::from_static(b"{\"version\": 1}\n")),
    ]
}

fn plan() -> Plan {
    let build = BuildPlan { artifacts: artifacts(), ..BuildPlan::default() };
    Plan { build, ..Plan::default() }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn is_empty(directory: &Path) -> bool {
    fs::read_dir(directory).unwrap().next().is_none()
}

#[tokio::test]
async fn a_reference_becomes_a_file_whose_holes_are_holes() {
    let base = tempfile::tempdir().unwrap();
    let (out, json) = (base.path().join("app.ext4"), base.path().join("app.json"));
    let steps = vec![Step::Stderr("/usr/bin/su is still setuid (4755)\n".into())];
    let fake = Fake::start(Plan { steps, ..plan() });
    let arguments = ["rootfs", "local/app", "-o", text(&out), "--metadata", text(&json)];
    let (code, stdout, stderr) = run(&fake, &arguments).await;
    assert_eq!((code, stdout.len()), (0, 0), "{stderr}");
    assert!(fs::read(&out).unwrap() == ext4(), "other bytes");
    assert!(out.metadata().unwrap().blocks() * 512 < 1 << 20, "no holes");
    assert_eq!(fs::read(&json).unwrap(), artifacts()[1].1);
    for words in [
        "/usr/bin/su is still setuid (4755)\n",
        "kiln: rootfs.ext4 sha256:dddd",
        "(3 MiB, 1 MiB free, uuid b0a10109-",
        "kiln: of local/app sha256:eeee",
        "(linux/amd64), which was stored: its registry was not asked or did not answer\n",
        "kiln: init direct; tell its kernel init=/.kiln/init\n",
        "kiln: 12 MiB taken out, 2 secrets removed\n",
        "kiln: up after 2s, as its init said\n",
        "kiln: written to ",
    ] {
        assert!(stderr.contains(words), "{words}: {stderr}");
    }
    let spec = fake.spec();
    assert!(!spec.attach && spec.egress.is_none());
    let expected = v1::RootfsSpec {
        source: Some(Source::Reference("local/app".to_owned())),
        ..v1::RootfsSpec::default()
    };
    assert_eq!(fake.rootfs(), expected);
}

#[tokio::test]
async fn flags_are_the_request() {
    let base = tempfile::tempdir().unwrap();
    let out = base.path().join("app.ext4");
    let fake = Fake::start(plan());
    let flags = "--platform arm64 --init systemd --optimize=apt,manuals --keep-locale de,fr \
                 --keep-secret /etc/key --setuid strip --capabilities refuse \
                 --world-writable report --devices refuse --size-limit 1G --free 20% \
                 --label root --boot-timeout 90s --cpus 2 --memory 1G --disk 4G --timeout 10m \
                 --project team --idempotency-key once -q";
    let mut arguments = vec!["rootfs", "-o", text(&out)];
    arguments.extend(flags.split_whitespace());
    arguments.extend(["--probe-command", "sh -c 'test -e /run/up'", "docker://app"]);
    let (code, _, stderr) = run(&fake, &arguments).await;
    assert_eq!((code, stderr.as_str()), (0, ""));
    let owned = |words: &[&str]| words.iter().map(ToString::to_string).collect::<Vec<_>>();
    let argv = owned(&["sh", "-c", "test -e /run/up"]);
    let kind = v1::boot_probe::Kind::Command(v1::BootCommand { argv });
    let expected = v1::RootfsSpec {
        source: Some(Source::Reference("app".to_owned())),
        platform: "linux/arm64".to_owned(),
        init: "systemd".to_owned(),
        optimize: owned(&["apt", "manuals"]),
        keep_locales: owned(&["de", "fr"]),
        harden: Some(v1::HardenSpec {
            off: false,
            keep_secrets: owned(&["/etc/key"]),
            setuid: "strip".to_owned(),
            capabilities: "refuse".to_owned(),
            world_writable: "report".to_owned(),
            devices: "refuse".to_owned(),
        }),
        size_limit_bytes: 1 << 30,
        free: "20%".to_owned(),
        label: "root".to_owned(),
        boot_check: Some(v1::BootCheck {
            off: false,
            probe: Some(v1::BootProbe { kind: Some(kind) }),
            timeout: Some(prost_types::Duration { seconds: 90, nanos: 0 }),
        }),
        ..v1::RootfsSpec::default()
    };
    assert_eq!(fake.rootfs(), expected);
    let spec = fake.spec();
    assert_eq!((spec.cpus, spec.memory_bytes, spec.disk_bytes), (2, 1 << 30, 4 << 30));
    assert_eq!(spec.timeout.unwrap().seconds, 600);
    let created = fake.state.created.lock().unwrap();
    assert_eq!(
        (created[0].project.as_str(), created[0].idempotency_key.as_str()),
        ("team", "once")
    );
}

#[tokio::test]
async fn what_does_not_boot_is_not_checked() {
    for flags in [
        &["--format", "tar"][..],
        &["--compress", "zstd"],
        &["--init", "none"],
        &["--no-boot-check", "--no-harden", "--size", "2G", "--optimize"],
    ] {
        let fake = Fake::start(plan());
        let arguments = [&["rootfs", "-d", "local/app"], flags].concat();
        let (code, id, stderr) = run(&fake, &arguments).await;
        assert_eq!((code, stderr.as_str()), (0, ""));
        assert!(id.starts_with(b"01jd"));
        let rootfs = fake.rootfs();
        assert!(rootfs.boot_check.unwrap().off, "{flags:?}");
        if flags.len() > 2 {
            assert!(rootfs.harden.unwrap().off);
            assert_eq!(
                (rootfs.size_bytes, &rootfs.optimize[..]),
                (2 << 30, &["all".to_owned()][..])
            );
        }
    }
}

/// The least that looks like an image.
fn image(directory: &Path) -> (std::path::PathBuf, std::path::PathBuf) {
    let mut tar = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(2);
    header.set_mode(0o644);
    tar.append_data(&mut header, "oci-layout", &b"{}"[..]).unwrap();
    let (archive, layout) = (directory.join("app.tar"), directory.join("layout"));
    fs::write(&archive, tar.into_inner().unwrap()).unwrap();
    fs::create_dir_all(layout.join("blobs/sha256")).unwrap();
    fs::write(layout.join("oci-layout"), "{}").unwrap();
    fs::write(layout.join("blobs/sha256/ab"), pattern(3, 100_000)).unwrap();
    (archive, layout)
}

#[tokio::test]
async fn what_lies_here_is_sent_and_a_file_once() {
    let base = tempfile::tempdir().unwrap();
    let (archive, layout) = image(base.path());
    let fake = Fake::start(plan());
    let sent = async |words: &[&str], stdin: Option<fs::File>| {
        let mut command = kiln(&fake, &[&["rootfs", "-d"], words].concat());
        if let Some(stdin) = stdin {
            command.stdin(stdin);
        }
        let (code, _, stderr) = finish(command.spawn().unwrap()).await;
        assert_eq!((code, stderr.as_str()), (0, ""));
        let created = fake.state.created.lock().unwrap();
        let work = created.last().unwrap().spec.clone().unwrap().work;
        let Some(v1::job_spec::Work::Rootfs(rootfs)) = work else { panic!("no rootfs: {work:?}") };
        let Some(Source::SourceId(id)) = rootfs.source else { panic!("no source: {rootfs:?}") };
        fake.state.sources.lock().unwrap()[&id].1.clone()
    };
    let bytes = fs::read(&archive).unwrap();
    assert!(sent(&[text(&archive)], None).await == bytes);
    let prefixed = format!("oci:{}", archive.display());
    assert!(sent(&[&prefixed], None).await == bytes);
    assert_eq!(*fake.state.uploads.lock().unwrap(), 1);
    assert!(sent(&["-"], Some(fs::File::open(&archive).unwrap())).await == bytes);
    let packed = sent(&[text(&layout)], None).await;
    let mut packed = tar::Archive::new(&packed[..]);
    let names: Vec<_> = packed
        .entries()
        .unwrap()
        .map(|entry| entry.unwrap().path().unwrap().display().to_string())
        .collect();
    assert_eq!(names, ["blobs/", "blobs/sha256/", "blobs/sha256/ab", "oci-layout"]);
}

#[tokio::test]
async fn what_cannot_work_is_refused_before_anything_is_begun() {
    let base = tempfile::tempdir().unwrap();
    let (archive, _) = image(base.path());
    let note = base.path().join("note.tar");
    fs::write(&note, "text").unwrap();
    let none = base.path().join("none/app.ext4");
    let fake = Fake::start(plan());
    for (words, part) in [
        (&["app"][..], "it has no place: add --output FILE, or --detach"),
        (&["-o", "x"], "IMAGE"),
        (&["-o", "x", "--build", "01jd", "app"], "cannot be used with"),
        (&["-d", "-o", "x", "app"], "cannot be used with"),
        (&["-d", "--run", "true", "app"], "cannot be used with"),
        (&["-o", text(&none), "app"], "cannot write to"),
        (&["-o", "/dev/null", "app"], "neither a file nor a block device"),
        (&["-o", "-", "--json", "app"], "stdout can be one thing"),
        (&["-o", "x", "none.tar"], "docker://none.tar is a reference"),
        (&["-o", "x", text(&note)], "is no image"),
        (&["-o", "x", "--init", "sysv", "app"], "write direct, systemd, none"),
        (&["-o", "x", "--format", "ext3", "app"], "--format"),
        (&["-o", "x", "--format", "tar", "--label", "x", "app"], "label is of an ext4"),
        (&["-o", "x", "--free", "200%", "app"], "0% to 95%"),
        (&["-o", "x", "--probe-port", "0", "app"], "--probe-port"),
        (&["-o", "x", "--probe-command", "a 'b", "app"], "a quote has no end"),
        (&["-o", "x", "--no-boot-check", "--probe-port", "1", "app"], "it is off"),
        (&["-o", "x", "--egress", "internet", "app"], "--run"),
        (&["-o", "x", "--progress", "plain", "app"], "--run"),
        (&["-o", "x", "--run", "true", text(&archive)], "kiln image import"),
        (&["-o", "x", "--run", " ", "app"], "names no command"),
    ] {
        let arguments = [&["rootfs"], words].concat();
        let (code, stdout, stderr) = run(&fake, &arguments).await;
        assert_eq!((code, stdout.len()), (125, 0), "{words:?}: {stderr}");
        assert!(stderr.contains(part), "{words:?}: {stderr}");
    }
    assert!(fake.state.created.lock().unwrap().is_empty());
    assert!(fake.state.builds.created.lock().unwrap().is_empty());
    assert_eq!(*fake.state.uploads.lock().unwrap(), 0);
}

#[tokio::test]
async fn why_there_is_none_is_told_and_the_code_is_1() {
    let base = tempfile::tempdir().unwrap();
    let out = base.path().join("app.ext4");
    let end = |job: &mut v1::Job| {
        let words = "it did not come up within 2m: no init said so";
        failed(job, v1::FailureClass::User, words, &[("reason", "boot_check")]);
        job.exit = Some(v1::ExitStatus { code: 0, signal: 0 });
        job.boot = Some(v1::BootRecord {
            console_tail: "Kernel panic\nnot syncing\x1b[2J".to_owned(),
            ..v1::BootRecord::default()
        });
    };
    let rootfs = RootfsPlan { end: Some(end), ..RootfsPlan::default() };
    let fake = Fake::start(Plan { rootfs, ..plan() });
    let (code, _, stderr) = run(&fake, &["rootfs", "app", "-o", text(&out)]).await;
    assert_eq!(code, 1, "{stderr}");
    let expected = "------\n > the end of the console:\nKernel panic\nnot syncing\\u{1b}[2J\n------\n\
                    kiln: it did not come up within 2m: no init said so\n";
    assert_eq!(stderr, expected);
    assert!(is_empty(base.path()));
}

#[tokio::test]
async fn ctrl_c_cancels_and_leaves_nothing() {
    let base = tempfile::tempdir().unwrap();
    let out = base.path().join("app.ext4");
    let steps = vec![Step::Stderr("it works\n".into()), Step::UntilCancelled];
    let fake = Fake::start(Plan { steps, ..plan() });
    let child = kiln(&fake, &["rootfs", "app", "-o", text(&out)]).spawn().unwrap();
    while fake.state.log_requests.lock().unwrap().is_empty() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    signal(&child, Signal::INT);
    let (code, _, stderr) = finish(child).await;
    assert_eq!(code, 130, "{stderr}");
    assert!(stderr.contains("cancelling") && stderr.ends_with("kiln: cancelled\n"), "{stderr}");
    assert_eq!(fake.state.cancelled.lock().unwrap().len(), 1);
    assert!(is_empty(base.path()));
}

#[tokio::test]
async fn a_restarted_kilnd_loses_nothing() {
    let base = tempfile::tempdir().unwrap();
    let out = base.path().join("app.ext4");
    let away = Duration::from_millis(100);
    let fake = Fake::start(Plan {
        steps: vec![
            Step::Stderr("one\n".into()),
            Step::Restart(away),
            Step::Stderr("two\n".into()),
        ],
        deaths: vec![Death::InCreate(away), Death::InDownload(1 << 20, away)],
        ..plan()
    });
    let (code, _, stderr) = run(&fake, &["rootfs", "app", "-o", text(&out)]).await;
    assert_eq!(code, 0, "{stderr}");
    let lines: Vec<_> = stderr.lines().filter(|line| !line.starts_with("kiln: ")).collect();
    assert_eq!(lines, ["one", "two"]);
    assert!(fs::read(&out).unwrap() == ext4());
}

#[tokio::test]
async fn stdout_takes_it_and_json_is_the_record() {
    let fake = Fake::start(plan());
    let (code, stdout, stderr) = run(&fake, &["rootfs", "app", "-o", "-"]).await;
    assert_eq!(code, 0, "{stderr}");
    assert!(stdout == ext4());
    let base = tempfile::tempdir().unwrap();
    let out = base.path().join("app.ext4");
    let (code, stdout, _) = run(&fake, &["rootfs", "app", "-o", text(&out), "--json"]).await;
    assert_eq!(code, 0);
    let record: Value = serde_json::from_slice(&stdout).unwrap();
    assert_eq!(record["exit_code"], 0);
    assert_eq!(record["spec"]["rootfs"]["source"]["reference"], "app");
    assert_eq!(record["rootfs"]["artifact"], "rootfs.ext4");
    assert_eq!(record["boot"]["by"], "init");
    assert_eq!(record["boot"]["up_after_seconds"], 2.0);
}

#[tokio::test]
async fn jobs_of_root_filesystems_are_shown_as_such() {
    let base = tempfile::tempdir().unwrap();
    let fake = Fake::start(plan());
    let (_, id, _) = run(&fake, &["rootfs", "-d", "local/app"]).await;
    let id = String::from_utf8(id).unwrap();
    let id = id.trim();
    assert_eq!(run(&fake, &["job", "wait", id]).await.1, b"0\n");
    let words =
        async |arguments: &[&str]| String::from_utf8(run(&fake, arguments).await.1).unwrap();
    assert!(words(&["job", "ls"]).await.contains("rootfs local/app"));
    let story = words(&["job", "get", id]).await;
    for line in
        ["Image        local/app\n", "Rootfs       rootfs.ext4: 3 MiB", "Boot         up after"]
    {
        assert!(story.contains(line), "{line}: {story}");
    }
    assert!(words(&["job", "outputs", id]).await.contains("rootfs.json"));
    let out = base.path().join("app.ext4");
    let (code, _, stderr) = run(&fake, &["job", "download", id, "rootfs.ext4", text(&out)]).await;
    assert_eq!(code, 0, "{stderr}");
    assert!(fs::read(&out).unwrap() == ext4());
    assert!(out.metadata().unwrap().blocks() * 512 < 1 << 20, "no holes");
}

#[tokio::test]
async fn what_is_not_what_the_record_says_comes_nowhere() {
    let base = tempfile::tempdir().unwrap();
    let out = base.path().join("app.ext4");
    let mut plan = plan();
    plan.build.artifact_digest = Some("sha256:other".to_owned());
    let fake = Fake::start(plan);
    let (code, _, stderr) = run(&fake, &["rootfs", "app", "-o", text(&out)]).await;
    assert_eq!(code, 125);
    assert!(stderr.contains("is not what its record says"), "{stderr}");
    assert!(stderr.contains("`kiln job download 01jd"), "{stderr}");
    assert!(is_empty(base.path()));
}
