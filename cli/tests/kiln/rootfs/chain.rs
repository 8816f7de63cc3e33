//! Builds before it: `--run`, `--build`, and `kiln build -o type=rootfs`.

use kiln_proto::v1::{build_export::Kind, build_spec::Dockerfile, job_spec::Work};

use super::*;
use crate::fake::{ImagePlan, image};

fn specs(fake: &Fake) -> (v1::BuildSpec, v1::JobSpec, Vec<v1::RootfsSpec>) {
    let builds = fake.state.builds.created.lock().unwrap();
    let spec = builds[0].spec.clone().unwrap();
    let Some(Work::Build(build)) = spec.work.clone() else { panic!("no build: {spec:?}") };
    let created = fake.state.created.lock().unwrap();
    let rootfs = created.iter().map(|request| match request.spec.clone().unwrap().work {
        Some(Work::Rootfs(rootfs)) => rootfs,
        other => panic!("no rootfs: {other:?}"),
    });
    (build, spec, rootfs.collect())
}

fn with_image(user: &'static str) -> Plan {
    let images = vec![image("local/app:1")];
    Plan { images: ImagePlan { images, user, ..ImagePlan::default() }, ..plan() }
}

fn built(spec: &v1::RootfsSpec) -> (&str, &str) {
    match &spec.source {
        Some(Source::Build(v1::BuiltImageSource { build_id, export })) => (build_id, export),
        other => panic!("not of a build: {other:?}"),
    }
}

#[tokio::test]
async fn commands_are_a_build_before_it() {
    let base = tempfile::tempdir().unwrap();
    let out = base.path().join("app.ext4");
    let fake = Fake::start(with_image("app:staff"));
    let arguments = [
        "rootfs",
        "local/app:1",
        "-o",
        text(&out),
        "--run",
        "apt-get update\napt-get install \"$A\"",
        "--run",
        "true",
        "--egress",
        "allow=deb.test:80/http",
        "--memory",
        "1G",
    ];
    let (code, _, stderr) = run(&fake, &arguments).await;
    assert_eq!(code, 0, "{stderr}");
    let (build, spec, rootfs) = specs(&fake);
    let digest = image("local/app:1").digest;
    let expected = format!(
        "FROM local/app:1@{digest}\nUSER 0\n\
         RUN [\"/bin/sh\", \"-c\", \"apt-get update\\napt-get install \\\"$A\\\"\"]\n\
         RUN [\"/bin/sh\", \"-c\", \"true\"]\nUSER app:staff\n"
    );
    assert_eq!(build.dockerfile, Some(Dockerfile::DockerfileInline(expected.into_bytes().into())));
    assert!(matches!(&build.exports[..], [v1::BuildExport { kind: Some(Kind::Image(_)), .. }]));
    assert_eq!(spec.egress.unwrap().rules, ["deb.test:80"]);
    assert_eq!(spec.memory_bytes, 1 << 30);
    assert_eq!(built(&rootfs[0]).1, "image");
    assert_eq!(rootfs[0].commands, ["apt-get update\napt-get install \"$A\"", "true"]);
    assert!(fs::read(&out).unwrap() == ext4());
}

#[tokio::test]
async fn a_command_that_fails_is_the_end() {
    let base = tempfile::tempdir().unwrap();
    let out = base.path().join("app.ext4");
    let end = |job: &mut v1::Job| {
        failed(job, v1::FailureClass::User, "exit code: 3", &[("step", "2")]);
        job.exit = Some(v1::ExitStatus { code: 1, signal: 0 });
    };
    let fake = Fake::start(Plan { end, ..with_image("") });
    let arguments = ["rootfs", "local/app:1", "-o", text(&out), "--run", "exit 3"];
    let (code, _, stderr) = run(&fake, &arguments).await;
    assert_eq!(code, 1, "{stderr}");
    assert!(stderr.contains("exit code: 3"), "{stderr}");
    let (build, _, rootfs) = specs(&fake);
    assert!(rootfs.is_empty());
    let Some(Dockerfile::DockerfileInline(dockerfile)) = build.dockerfile else { panic!("none") };
    assert!(!dockerfile.windows(4).any(|four| four == b"USER"), "{dockerfile:?}");
    assert!(is_empty(base.path()));
}

#[tokio::test]
async fn an_image_that_is_not_there_is_told_by_its_name() {
    let fake = Fake::start(plan());
    let arguments = ["rootfs", "-o", "/tmp/none", "--run", "true", "r.test/none:1"];
    let (code, _, stderr) = run(&fake, &arguments).await;
    assert_eq!(code, 125);
    assert!(stderr.contains("the registry has no such image"), "{stderr}");
    assert!(fake.state.builds.created.lock().unwrap().is_empty());
}

fn context() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("Dockerfile"), "FROM local/base\nRUN make\n").unwrap();
    directory
}

async fn build(fake: &Fake, arguments: &[&str]) -> (i32, Vec<u8>, String) {
    let context = context();
    let arguments = [&["build"], arguments, &[text(context.path())]].concat();
    run(fake, &arguments).await
}

#[tokio::test]
async fn a_build_has_root_filesystems_made_of_it() {
    let base = tempfile::tempdir().unwrap();
    let at = |name: &str| base.path().join(name).display().to_string();
    let mut plan = plan();
    plan.build.artifacts.push(("image.oci.tar".to_owned(), pattern(9, 1000)));
    let fake = Fake::start(plan);
    let output = format!("type=rootfs,dest={},init=systemd,optimize=true", at("app.ext4"));
    let other = format!("type=rootfs,dest={},boot-check=off", at("bare.ext4"));
    let (oci, metadata) = (format!("type=oci,dest={}", at("app.tar")), at("meta"));
    let arguments = ["-o", &output, "-o", &oci, "-o", &other, "--metadata-file", &metadata];
    let (code, stdout, stderr) = build(&fake, &arguments).await;
    assert_eq!((code, stdout.len()), (0, 0), "{stderr}");
    let (build, _, rootfs) = specs(&fake);
    assert_eq!(build.exports.len(), 1);
    assert_eq!(rootfs.len(), 2);
    assert_eq!(built(&rootfs[0]), built(&rootfs[1]));
    assert_eq!(
        (rootfs[0].init.as_str(), &rootfs[0].optimize[..]),
        ("systemd", &["all".to_owned()][..])
    );
    assert!(rootfs[0].boot_check.is_none());
    assert!(rootfs[1].boot_check.clone().unwrap().off);
    assert!(fs::read(at("app.ext4")).unwrap() == ext4());
    assert!(fs::read(at("bare.ext4")).unwrap() == ext4());
    assert!(fs::read(at("app.tar")).unwrap() == pattern(9, 1000));
    let metadata: Value = serde_json::from_slice(&fs::read(at("meta")).unwrap()).unwrap();
    let made = &metadata["kiln.root_filesystems"];
    assert_eq!(made.as_array().unwrap().len(), 2);
    assert_eq!(made[0]["rootfs"]["artifact"], "rootfs.ext4");
    assert!(stderr.contains("kiln: up after 2s, as its init said"), "{stderr}");

    let (code, stdout, _) = self::build(&fake, &["-o", &output, "--json"]).await;
    assert_eq!(code, 0);
    let record: Value = serde_json::from_slice(&stdout).unwrap();
    assert_eq!(record["root_filesystems"][0]["rootfs"]["platform"], "linux/amd64");
}

#[tokio::test]
async fn a_build_whose_root_filesystem_fails_has_its_code() {
    let base = tempfile::tempdir().unwrap();
    let at = |name: &str| base.path().join(name).display().to_string();
    let end = |job: &mut v1::Job| {
        failed(job, v1::FailureClass::User, "/app: its interpreter is missing", &[("reason", "x")]);
    };
    let rootfs = RootfsPlan { end: Some(end), ..RootfsPlan::default() };
    let fake = Fake::start(Plan { rootfs, ..plan() });
    let (output, metadata) = (format!("type=rootfs,dest={}", at("app.ext4")), at("meta"));
    let arguments = ["-o", &output, "--metadata-file", &metadata];
    let (code, _, stderr) = build(&fake, &arguments).await;
    assert_eq!(code, 1, "{stderr}");
    assert!(stderr.contains("kiln: /app: its interpreter is missing\n"), "{stderr}");
    assert!(is_empty(base.path()));
}

#[tokio::test]
async fn what_cannot_work_is_refused() {
    let fake = Fake::start(plan());
    for (words, part) in [
        (&["-d", "-o", "type=rootfs,dest=x"][..], "`kiln rootfs --build ID -o FILE`"),
        (&["-o", "type=rootfs"], "needs a file"),
        (&["-o", "type=rootfs,dest=x,init=sysv"], "write direct, systemd, none"),
        (&["--platform", "amd64,arm64", "-o", "type=rootfs,dest=x"], "add platform="),
        (&["-o", "type=rootfs,dest=-", "-o", "-"], "stdout can be one thing"),
        (&["-o", "type=rootfs,dest=/none/x"], "cannot write to /none"),
    ] {
        let (code, stdout, stderr) = build(&fake, words).await;
        assert_eq!((code, stdout.len()), (125, 0), "{words:?}: {stderr}");
        assert!(stderr.contains(part), "{words:?}: {stderr}");
    }
    assert!(fake.state.builds.created.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_builds_image_can_be_taken_later() {
    let base = tempfile::tempdir().unwrap();
    let out = base.path().join("app.ext4");
    let fake = Fake::start(plan());
    let (_, id, _) = build(&fake, &["-d", "-o", "type=image", "--platform", "arm64"]).await;
    let id = String::from_utf8(id).unwrap();
    assert_eq!(run(&fake, &["job", "wait", id.trim()]).await.0, 0);
    let built_by = format!("{}:image", id.trim());
    let arguments = ["rootfs", "--build", &built_by, "-o", text(&out)];
    let (code, _, stderr) = run(&fake, &arguments).await;
    assert_eq!(code, 0, "{stderr}");
    assert_eq!(built(&fake.rootfs()), (id.trim(), "image"));
    let arguments = ["rootfs", "--build", "zz", "-o", text(&out)];
    let (code, _, stderr) = run(&fake, &arguments).await;
    assert_eq!(code, 125);
    assert!(stderr.contains("no job's id begins with"), "{stderr}");
}
