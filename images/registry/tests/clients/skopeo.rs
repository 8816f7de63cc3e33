use std::fs;

use crate::{image, inside::Stage, program::Program};

fn skopeo(stage: &Stage, arguments: &[&str]) -> Program {
    stage.at_home(Program::new("skopeo")).args(["--insecure-policy"]).args(arguments)
}

fn copy(stage: &Stage, from: &str, to: &str) {
    let flags = ["copy", "--quiet", "--src-tls-verify=false", "--dest-tls-verify=false"];
    skopeo(stage, &flags).args(["--preserve-digests", from, to]).output();
}

pub(crate) fn copies_there_and_back(stage: &Stage) {
    let layout = stage.directory.join("layout");
    let digest = image::write(&layout, "v1", "app").to_string();
    let (app, other) = (stage.reference("app:v1"), stage.reference("team/other:v2"));
    let (app, other) = (format!("docker://{app}"), format!("docker://{other}"));
    copy(stage, "oci:layout:v1", &app);
    let bytes = fs::read(layout.join("blobs/sha256").join(&digest["sha256:".len()..])).unwrap();
    assert_eq!(stage.manifest("app", "v1"), (digest.clone(), bytes.clone()));
    let raw = skopeo(stage, &["inspect", "--raw", "--tls-verify=false", &app]).output();
    assert_eq!(raw.as_bytes(), bytes);

    // Layers are mounted from one repository into the other.
    copy(stage, &app, &other);
    assert_eq!(stage.manifest("team/other", "v2").0, digest);
    copy(stage, &other, "oci:back:v2");
    for blob in fs::read_dir(layout.join("blobs/sha256")).unwrap() {
        let blob = blob.unwrap();
        let back = stage.directory.join("back/blobs/sha256").join(blob.file_name());
        assert_eq!(fs::read(blob.path()).unwrap(), fs::read(back).unwrap());
    }

    let repository = format!("docker://{}", stage.reference("app"));
    let tags = skopeo(stage, &["list-tags", "--tls-verify=false", &repository]).output();
    assert!(tags.contains("\"v1\""), "{tags}");
    skopeo(stage, &["delete", "--tls-verify=false", &app]).output();
    let gone = skopeo(stage, &["inspect", "--raw", "--tls-verify=false", &app]).fails();
    assert!(gone.contains("is not here: push it first"), "{gone}");
    assert_eq!(stage.manifest("team/other", "v2").0, digest);
}
