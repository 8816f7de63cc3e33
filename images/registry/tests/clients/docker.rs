use std::fs;

use crate::{
    built, image,
    inside::{Engine, Stage},
    program::Program,
};

/// No bridge, no rules: it pulls and pushes, and runs nothing.
const FLAGS: [&str; 9] = [
    "--bridge=none",
    "--iptables=false",
    "--ip6tables=false",
    "--ip-forward=false",
    "--ip-masq=false",
    "--storage-driver=vfs",
    "--log-level=warn",
    "--config-file=daemon.json",
    "--pidfile=dockerd.pid",
];

/// And how it is spoken to.
fn start(stage: &Stage) -> (Engine, String) {
    fs::write(stage.directory.join("daemon.json"), "{}").unwrap();
    let at = |name: &str| stage.directory.join(name).to_str().unwrap().to_owned();
    let host = format!("unix://{}", at("docker.sock"));
    let mut flags: Vec<_> = FLAGS.into_iter().collect();
    let (data, exec) = (at("data"), at("exec"));
    flags.extend(["--data-root", &data, "--exec-root", &exec, "--host", &host]);
    let mut engine = Engine::start(stage, "dockerd", &flags);
    engine.wait_until(|| {
        let ping = Program::new("sh").args(["-c", "test -S docker.sock && echo yes || true"]);
        ping.within(&stage.directory).output().trim() == "yes"
    });
    (engine, host)
}

pub(crate) fn loads(stage: &Stage) {
    let (_engine, host) = start(stage);
    let docker = |arguments: &[&str]| -> Program {
        stage.client("docker").env("DOCKER_HOST", &host).args(arguments)
    };
    let config = built::docker_tar(&stage.directory);
    let loaded = docker(&["load", "--input", "docker.tar"]).output();
    for name in ["local/app:1", "registry.example/app:main"] {
        assert!(loaded.contains(&format!("Loaded image: {name}")), "{loaded}");
        let id = docker(&["image", "inspect", "--format", "{{.Id}}", name]).output();
        assert_eq!(id.trim(), config);
    }
}

pub(crate) fn pushes_and_pulls(stage: &Stage) {
    let (engine, host) = start(stage);
    let docker = |arguments: &[&str]| -> Program {
        stage.client("docker").env("DOCKER_HOST", &host).args(arguments)
    };

    for number in 1..3 {
        fs::write(stage.directory.join(format!("{number}.tar")), image::layer(number)).unwrap();
    }
    let (app, other) = (stage.reference("app:v1"), stage.reference("team/other:v1"));
    docker(&["import", "1.tar", &app]).output();
    let id = |name: &str| {
        docker(&["image", "inspect", "--format", "{{.Id}}", name]).output().trim().to_owned()
    };
    let imported = id(&app);
    let pushed = docker(&["push", &app]).output();
    let (digest, _) = stage.manifest("app", "v1");
    assert!(pushed.contains(&format!("digest: {digest}")), "{pushed}\n{}", engine.log());

    // From an engine that has nothing of it any more, by tag and by digest.
    for reference in [app.clone(), stage.reference(&format!("app@{digest}"))] {
        docker(&["rmi", "--force", &imported]).output();
        let pulled = docker(&["pull", &reference]).output();
        assert!(pulled.contains(&digest), "{pulled}");
        assert_eq!(id(&reference), imported);
    }

    // Its layer is mounted, for it knows where it is from; and then it has the same manifest.
    docker(&["tag", &imported, &other]).output();
    docker(&["push", &other]).output();
    assert_eq!(stage.manifest("team/other", "v1").0, digest);

    let missing = docker(&["pull", &stage.reference("none:v1")]).fails();
    assert!(missing.contains("local/none:v1 is not here: push it first"), "{missing}");
    docker(&["import", "2.tar", "docker.io/library/app:v1"]).output();
    let elsewhere = format!("{}/docker.io/library/app:v1", stage.address);
    docker(&["tag", "docker.io/library/app:v1", &elsewhere]).output();
    let refused = docker(&["push", &elsewhere]).fails();
    assert!(refused.contains("pulled through this registry, never pushed"), "{refused}");
}
