use super::*;
use crate::record::{BuildRecord, BuildResult, BuiltPlatform, Content, Job};

fn content(digest: &str) -> Content {
    let (digest, media_type) = (digest.to_owned(), "application/vnd.x".to_owned());
    Content { digest, media_type, size_bytes: 697 }
}

fn platform_of(name: &str) -> BuiltPlatform {
    BuiltPlatform {
        platform: name.to_owned(),
        manifest: Some(content("sha256:m")),
        config: Some(content("sha256:c")),
        ..BuiltPlatform::default()
    }
}

fn build(digest: &str, platforms: &[&str]) -> Build {
    let image = BuiltImage {
        digest: digest.to_owned(),
        platforms: platforms.iter().map(|name| platform_of(name)).collect(),
        names: vec!["local/a:latest".to_owned(), "local/b:latest".to_owned()],
        ..BuiltImage::default()
    };
    let result = Some(BuildResult { images: vec![image], ..BuildResult::default() });
    Build {
        job: Job { id: "01jd".to_owned(), ..Job::default() },
        build: BuildRecord { result, ..BuildRecord::default() },
        ..Build::default()
    }
}

#[test]
fn ids_are_the_configurations_for_one_platform() {
    assert_eq!(image_id(&build("sha256:m", &["linux/amd64"])), Some("sha256:c"));
    assert_eq!(image_id(&build("sha256:i", &["linux/amd64", "linux/arm64"])), Some("sha256:i"));
    assert_eq!(image_id(&Build::default()), None);
}

#[test]
fn fields_are_called_as_buildx_calls_them() {
    let value = metadata(&build("sha256:m", &["linux/arm64/v8"]));
    assert_eq!(value["containerimage.digest"], "sha256:m");
    assert_eq!(value["containerimage.config.digest"], "sha256:c");
    assert_eq!(value["image.name"], "local/a:latest,local/b:latest");
    assert_eq!(value["buildx.build.ref"], "kiln/kiln/01jd");
    assert_eq!(value["containerimage.descriptor"]["size"], 697);
    let platform = &value["containerimage.descriptor"]["platform"];
    assert_eq!(platform, &json!({ "os": "linux", "architecture": "arm64", "variant": "v8" }));
    let several = metadata(&build("sha256:i", &["linux/amd64", "linux/arm64"]));
    assert_eq!(several.get("containerimage.descriptor"), None);
    assert_eq!(metadata(&Build::default()).get("containerimage.digest"), None);
}

#[test]
fn files_are_whole() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("iid");
    let build = build("sha256:m", &["linux/amd64"]);
    check(&path).unwrap();
    write_id(&build, &path).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "sha256:c");
    write_metadata(&build, &path).unwrap();
    assert!(fs::read_to_string(&path).unwrap().ends_with("}\n"));
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    assert!(write_id(&Build::default(), &path).is_err());
    assert!(check(directory.path()).is_err());
    assert!(check(&directory.path().join("none/iid")).is_err());
}
