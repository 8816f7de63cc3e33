use std::fs;

use serde_json::Value;

use crate::{inside::Stage, program::Program};

fn oras(stage: &Stage, arguments: &[&str]) -> Program {
    stage.client("oras").args(arguments)
}

pub(crate) fn pushes_attaches_and_copies(stage: &Stage) {
    let bytes: Vec<u8> = (0..3_000_000_u32).flat_map(u32::to_le_bytes).collect();
    fs::write(stage.directory.join("artifact"), &bytes).unwrap();
    fs::write(stage.directory.join("note"), "signed").unwrap();
    let (art, copied) = (stage.reference("art:v1"), stage.reference("copied:v1"));
    let kind = ["--artifact-type", "application/vnd.example.artifact"];
    oras(stage, &["push", "--plain-http"]).args(kind).args([&art, "artifact:text/plain"]).output();
    let resolved = oras(stage, &["resolve", "--plain-http", &art]).output();
    let (digest, manifest) = stage.manifest("art", "v1");
    assert_eq!(resolved.trim(), digest);
    let fetched = oras(stage, &["manifest", "fetch", "--plain-http", &art]).output();
    assert_eq!(fetched.as_bytes(), manifest);

    let kind = ["--artifact-type", "application/vnd.example.note"];
    oras(stage, &["attach", "--plain-http"]).args(kind).args([&art, "note:text/plain"]).output();
    let discover = ["discover", "--plain-http", "--format", "json", &art];
    let listed: Value = serde_json::from_str(&oras(stage, &discover).output()).unwrap();
    let listed = listed["manifests"].as_array().unwrap().clone();
    assert_eq!(listed.len(), 1, "{listed:?}");
    assert_eq!(listed[0]["artifactType"], "application/vnd.example.note");
    // It asked for referrers and was answered: no tag stands in for them.
    let tags = oras(stage, &["repo", "tags", "--plain-http", &stage.reference("art")]).output();
    assert_eq!(tags.trim(), "v1");

    let plain = ["--from-plain-http", "--to-plain-http", "--recursive"];
    oras(stage, &["copy"]).args(plain).args([&art, &copied]).output();
    assert_eq!(stage.manifest("copied", "v1").0, digest);
    stage.manifest("copied", listed[0]["digest"].as_str().unwrap());
    oras(stage, &["pull", "--plain-http", "--output", "pulled", &copied]).output();
    assert_eq!(fs::read(stage.directory.join("pulled/artifact")).unwrap(), bytes);
    oras(stage, &["manifest", "delete", "--plain-http", "--force", &copied]).output();
    oras(stage, &["resolve", "--plain-http", &copied]).fails();
}
