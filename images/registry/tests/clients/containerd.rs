use std::fs;

use crate::{
    image,
    inside::{Engine, Stage},
    program::Program,
};

/// Content alone: no containers, no file systems, no network of its own.
const CONFIG: &str = r#"version = 2
root = "ROOT/root"
state = "ROOT/state"
disabled_plugins = [
  "io.containerd.grpc.v1.cri",
  "io.containerd.internal.v1.opt",
  "io.containerd.snapshotter.v1.aufs",
  "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.overlayfs",
  "io.containerd.snapshotter.v1.zfs",
]
[grpc]
  address = "ROOT/socket"
[ttrpc]
  address = "ROOT/socket.ttrpc"
"#;

pub(crate) fn pushes_and_fetches(stage: &Stage) {
    let root = stage.directory.join("containerd");
    fs::create_dir(&root).unwrap();
    let config = stage.directory.join("containerd.toml");
    fs::write(&config, CONFIG.replace("ROOT", root.to_str().unwrap())).unwrap();
    let arguments = ["--config", config.to_str().unwrap(), "--log-level", "warn"];
    let mut engine = Engine::start(stage, "containerd", &arguments);
    let socket = root.join("socket");
    let ctr = |arguments: &[&str]| -> Program {
        stage.client("ctr").args(["--address", socket.to_str().unwrap()]).args(arguments)
    };
    engine.wait_until(|| socket.exists());

    let layout = stage.directory.join("layout");
    let (first, second) = (stage.reference("ctr:v1"), stage.reference("ctr-again:v1"));
    let digest = image::write(&layout, "v1", &first).to_string();
    Program::new("tar")
        .args(["-cf", "image.tar", "-C", "layout", "."])
        .within(&stage.directory)
        .output();
    ctr(&["images", "import", "--no-unpack", "image.tar"]).output();
    ctr(&["images", "push", "--plain-http", &first]).output();
    assert_eq!(stage.manifest("ctr", "v1").0, digest, "{}", engine.log());

    // Fetched into an engine that has nothing of it any more.
    ctr(&["images", "rm", "--sync", &first]).output();
    let left = ctr(&["content", "ls", "--quiet"]).output();
    assert_eq!(left.trim(), "");
    ctr(&["content", "fetch", "--plain-http", &first]).output();
    let listed = ctr(&["images", "ls"]).output();
    let line = listed.lines().find(|line| line.starts_with(&first)).unwrap();
    assert!(line.contains(&digest), "{listed}");
    let content = ctr(&["content", "ls", "--quiet"]).output();
    let mut content: Vec<_> = content.lines().map(str::to_owned).collect();
    let blobs = fs::read_dir(layout.join("blobs/sha256")).unwrap();
    let mut expected: Vec<_> = blobs
        .map(|blob| format!("sha256:{}", blob.unwrap().file_name().to_str().unwrap()))
        .collect();
    content.sort();
    expected.sort();
    assert_eq!(content, expected);

    // Its blobs are mounted, for it knows where they are from.
    ctr(&["images", "tag", &first, &second]).output();
    ctr(&["images", "push", "--plain-http", &second]).output();
    assert_eq!(stage.manifest("ctr-again", "v1").0, digest);
    let missing = stage.reference("none:v1");
    let refused = ctr(&["content", "fetch", "--plain-http", &missing]).fails();
    assert!(refused.contains("not found"), "{refused}");
}
