//! `kiln boot …`.

use std::{fs, path::Path};

use kiln_proto::v1::{self, boot_spec::Source};
use rustix::process::Signal;
use serde_json::Value;

use crate::{
    command::{finish, kiln, run, signal},
    fake::{Fake, Step, completed, exited, failed, pattern, up},
};

/// A file with a hole, as a root filesystem is.
fn file() -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), pattern(1, 100_000)).unwrap();
    file.as_file().set_len(1 << 20).unwrap();
    file
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn booting(steps: Vec<Step>, end: fn(&mut v1::Job)) -> Fake {
    Fake::running(steps, end)
}

#[tokio::test]
async fn the_console_is_stdout_and_the_code_the_commands() {
    let file = file();
    let steps = vec![Step::Up(up("init")), Step::Stdout("hello from it\r\n".into())];
    let fake = booting(steps, exited::<3>);
    let (code, stdout, stderr) = run(&fake, &["boot", text(file.path())]).await;
    assert_eq!((code, stderr.as_str()), (3, ""));
    assert_eq!(stdout, b"hello from it\r\n");
    let spec = fake.spec();
    assert!(!spec.attach && spec.inputs.is_empty() && spec.outputs.is_empty());
    let Some(Source::SourceId(id)) = fake.boot().source else { panic!("no source") };
    assert!(fake.state.sources.lock().unwrap()[&id].1 == fs::read(file.path()).unwrap());
    let again = booting(Vec::new(), completed);
    for _ in 0..2 {
        assert_eq!(run(&again, &["boot", text(file.path())]).await.0, 0);
    }
    assert_eq!(*again.state.uploads.lock().unwrap(), 1);
}

#[tokio::test]
async fn flags_are_the_request_and_the_rest_is_the_inits() {
    let file = file();
    let fake = booting(Vec::new(), completed);
    let flags = "--init /bin/sh --probe-port 8080 --memory 1G --cpus 2 --disk 4G --timeout 5m \
                 --egress internet --vmm qemu --project team";
    let mut arguments = vec!["boot"];
    arguments.extend(flags.split_whitespace());
    arguments.extend([text(file.path()), "-c", "echo --init", "--json"]);
    let (code, stdout, stderr) = run(&fake, &arguments).await;
    assert_eq!((code, stdout.len(), stderr.as_str()), (0, 0, ""));
    let boot = fake.boot();
    assert_eq!(
        (boot.init.as_str(), &boot.arguments[..]),
        ("/bin/sh", &["-c", "echo --init", "--json"].map(str::to_owned)[..],)
    );
    let kind = Some(v1::boot_probe::Kind::Port(8080));
    assert_eq!(boot.probe, Some(v1::BootProbe { kind }));
    let spec = fake.spec();
    assert_eq!((spec.cpus, spec.memory_bytes, spec.disk_bytes), (2, 1 << 30, 4 << 30));
    assert_eq!(spec.timeout.unwrap().seconds, 300);
    assert_eq!(spec.egress.unwrap().mode(), v1::EgressMode::Internet);
}

#[tokio::test]
async fn what_a_job_left_is_booted_without_an_upload() {
    let fake = booting(Vec::new(), completed);
    let (_, id, _) = run(&fake, &["rootfs", "-d", "local/app"]).await;
    let id = String::from_utf8(id).unwrap();
    let id = id.trim();
    assert_eq!(run(&fake, &["job", "wait", id]).await.0, 0);
    let job = format!("{id}:rootfs.ext4");
    let (code, _, stderr) = run(&fake, &["boot", "--job", &job, "--", "-v"]).await;
    assert_eq!((code, stderr.as_str()), (0, ""));
    let created = fake.state.created.lock().unwrap();
    let work = created[1].spec.clone().unwrap().work;
    let Some(v1::job_spec::Work::Boot(boot)) = work else { panic!("no boot: {work:?}") };
    let (job_id, artifact) = (id.to_owned(), "rootfs.ext4".to_owned());
    assert_eq!(boot.source, Some(Source::Rootfs(v1::RootfsSource { job_id, artifact })));
    assert_eq!(boot.arguments, ["-v"]);
    assert_eq!(*fake.state.uploads.lock().unwrap(), 0);
}

#[tokio::test]
async fn until_up_ends_it_then_with_0() {
    let file = file();
    let steps = vec![Step::Stdout("booted\n".into()), Step::Up(up("port")), Step::UntilCancelled];
    let fake = booting(steps.clone(), completed);
    let (code, stdout, stderr) = run(&fake, &["boot", "--until-up", text(file.path())]).await;
    assert_eq!((code, &stdout[..]), (0, &b"booted\n"[..]), "{stderr}");
    assert_eq!(stderr, "kiln: up after 2s, by the port\n");
    assert_eq!(fake.state.cancelled.lock().unwrap().len(), 1);

    let fake = booting(steps, completed);
    let (code, stdout, stderr) =
        run(&fake, &["boot", "--until-up", "--json", text(file.path())]).await;
    assert_eq!(code, 0);
    let record: Value = serde_json::from_slice(&stdout).unwrap();
    assert_eq!((&record["state"], &record["boot"]["state"]), (&"cancelled".into(), &"up".into()));
    assert!(stderr.contains("booted\n"), "{stderr}");

    let fake = booting(Vec::new(), completed);
    let (code, _, stderr) = run(&fake, &["boot", "--until-up", text(file.path())]).await;
    assert_eq!((code, stderr.as_str()), (1, "kiln: it ended before it was up\n"));
}

#[tokio::test]
async fn a_machine_that_fails_says_why() {
    let file = file();
    let panic = |job: &mut v1::Job| {
        failed(job, v1::FailureClass::User, "the guest's kernel panicked", &[("reason", "panic")]);
    };
    let fake = booting(vec![Step::Stdout("Oops\n".into())], panic);
    let (code, _, stderr) = run(&fake, &["boot", text(file.path())]).await;
    assert_eq!((code, stderr.as_str()), (1, "kiln: the guest's kernel panicked\n"));
    let (code, _, stderr) = run(&fake, &["boot", "--until-up", text(file.path())]).await;
    let expected = "kiln: it did not come up: the guest's kernel panicked\n";
    assert_eq!((code, stderr.as_str()), (1, expected));
    let no_disk = |job: &mut v1::Job| {
        failed(job, v1::FailureClass::Source, "no ext4", &[("reason", "not_bootable")]);
    };
    let fake = booting(Vec::new(), no_disk);
    let (code, _, stderr) = run(&fake, &["boot", text(file.path())]).await;
    assert_eq!((code, stderr.as_str()), (1, "kiln: it can't be booted: no ext4\n"));
}

#[tokio::test]
async fn ctrl_c_presses_the_button() {
    let file = file();
    for words in [&["boot"][..], &["boot", "--until-up"]] {
        let fake = booting(vec![Step::Stdout("ready".into()), Step::UntilCancelled], completed);
        let arguments = [words, &[text(file.path())]].concat();
        let child = kiln(&fake, &arguments).spawn().unwrap();
        fake.sent_at_least(5).await;
        signal(&child, Signal::INT);
        let (code, stdout, stderr) = finish(child).await;
        assert_eq!((code, &stdout[..]), (130, &b"ready"[..]), "{stderr}");
        assert!(stderr.ends_with("kiln: cancelled\n"), "{stderr}");
    }
}

#[tokio::test]
async fn what_cannot_work_is_refused() {
    let file = file();
    let directory = tempfile::tempdir().unwrap();
    let fake = booting(Vec::new(), completed);
    for (words, part) in [
        (&[][..], "FILE"),
        (&["/none/app.ext4"], "cannot open /none/app.ext4"),
        (&[text(directory.path())], "is no file"),
        (&["--init", "sh", text(file.path())], "absolute path"),
        (&["--job", "01jd:"], "--job names nothing"),
        (&["--vmm", "firecracker", text(file.path())], "this host boots with qemu 7.2 (tcg)"),
        (&["--until-up", "-d", text(file.path())], "cannot be used with"),
        (&["--probe-port", "99999", text(file.path())], "--probe-port"),
        (&["--egress-lock", "x", text(file.path())], "--egress-lock goes with"),
    ] {
        let arguments = [&["boot"], words].concat();
        let (code, stdout, stderr) = run(&fake, &arguments).await;
        assert_eq!((code, stdout.len()), (125, 0), "{words:?}: {stderr}");
        assert!(stderr.contains(part), "{words:?}: {stderr}");
    }
    assert!(fake.state.created.lock().unwrap().is_empty());
    assert_eq!(*fake.state.uploads.lock().unwrap(), 0);
}

#[tokio::test]
async fn detached_it_is_a_job_like_any_other() {
    let file = file();
    let fake = booting(vec![Step::Stdout("console\n".into()), Step::Up(up("init"))], completed);
    let (code, id, stderr) = run(&fake, &["boot", "-d", text(file.path()), "-x", "y z"]).await;
    assert_eq!((code, stderr.as_str()), (0, ""));
    let id = String::from_utf8(id).unwrap();
    let id = id.trim();
    assert_eq!(run(&fake, &["job", "wait", id]).await.1, b"0\n");
    let words =
        async |arguments: &[&str]| String::from_utf8(run(&fake, arguments).await.1).unwrap();
    assert_eq!(words(&["job", "logs", id]).await, "console\n");
    assert!(words(&["job", "ls"]).await.contains("boot a file that was sent -x 'y z'"));
    let story = words(&["job", "get", id]).await;
    for line in
        ["Boots        a file that was sent\n", "Boot         up after 2s, as its init said\n"]
    {
        assert!(story.contains(line), "{line}: {story}");
    }
}
