//! What is carried in is carried out again, whatever wrote it.

use kiln_registry::{digest::Digest, manifest::media, operate::Platforms};
use serde_json::{Value, json};

use crate::{
    program,
    stage::{Stage, TENANT, reference, whole},
    tars::{Tar, for_platform, image, image_for, index, layer, link, of},
};

#[tokio::test]
async fn a_layout_is_carried_in_and_out() {
    let (stage, built) = (Stage::new(), image("app", 3));
    let images = stage.import(None, &built.layout(Some("local/app:1")).bytes()).await.unwrap();
    let [image] = &images[..] else { panic!("{images:?}") };
    assert_eq!(image.reference.to_string(), "local/app:1");
    assert_eq!(image.digest, built.digest());
    assert!(!image.incomplete);
    assert_eq!(image.platforms[0].to_string(), "linux/amd64");
    let exported = stage.export("local/app:1").await.unwrap();
    assert_eq!(stage.export("local/app:1").await.unwrap(), exported);

    let other = Stage::new();
    let again = other.import(None, &exported).await.unwrap();
    assert_eq!(again[0].reference.to_string(), "local/app:1");
    assert_eq!(again[0].digest, built.digest());
    assert_eq!(other.export("local/app:1").await.unwrap(), exported);
}

#[tokio::test]
async fn what_older_dockers_save() {
    let (stage, built) = (Stage::new(), image("old", 3));
    let tar = built.saved(&["old:1", "user/old:2"]);
    let images = stage.import(None, &tar.bytes()).await.unwrap();
    let names: Vec<_> = images.iter().map(|image| image.reference.to_string()).collect();
    assert_eq!(names, ["local/old:1", "local/user/old:2"]);
    // Its layers are as they were: the manifest is the one that anybody makes of them.
    assert_eq!(images[0].digest, images[1].digest);
    let inspected = stage.images.inspect(TENANT, &reference("local/old:1")).await.unwrap();
    let digests: Vec<_> = inspected.parts.iter().map(|part| part.descriptor.digest).collect();
    assert_eq!(digests, built.layers.iter().map(|layer| Digest::of(layer)).collect::<Vec<_>>());
    assert_eq!(inspected.config.unwrap(), built.config.to_string());
}

#[tokio::test]
async fn a_layer_that_is_a_link_to_another() {
    let (stage, mut built) = (Stage::new(), image("linked", 1));
    built.layers.push(built.layers[0].clone());
    let digest = Digest::of(&built.layers[0]).to_string();
    built.config["rootfs"]["diff_ids"] = json!([digest, digest]);
    let mut plain = built.saved(&["linked:1"]);
    plain.0.retain(|(path, _)| path != "layer1/layer.tar");
    let mut linked = link("layer1/layer.tar", "../layer0/layer.tar");
    linked.extend(plain.bytes());
    let images = stage.import(None, &linked).await.unwrap();
    let inspected = stage.images.inspect(TENANT, &images[0].reference).await.unwrap();
    assert_eq!(inspected.parts[0].descriptor.digest, inspected.parts[1].descriptor.digest);
}

#[tokio::test]
async fn one_image_gets_the_name_that_is_asked_for() {
    let (stage, built) = (Stage::new(), image("app", 1));
    for tar in [built.layout(None), built.layout(Some("12")), built.layout(Some("a.example/b:1"))] {
        let images = stage.import(Some("local/named:2"), &tar.bytes()).await.unwrap();
        assert_eq!(images[0].reference.to_string(), "local/named:2");
    }
}

#[tokio::test]
async fn an_index_whole_in_part_and_by_platform() {
    let stage = Stage::new();
    let (amd, arm) = (image_for("app", 2, "amd64"), image_for("app", 2, "arm64"));
    let entries = [for_platform(amd.entry(None), "amd64"), for_platform(arm.entry(None), "arm64")];
    let multi = index(&entries);
    let top = |name: &str| {
        let mut entry = of(media::OCI_INDEX, &multi);
        entry["annotations"] = json!({"io.containerd.image.name": name});
        index(&[entry])
    };
    let tar =
        arm.onto(amd.onto(Tar::default())).json(&multi).layout(&top("docker.io/local/multi:1"));
    let images = stage.import(None, &tar.bytes()).await.unwrap();
    let platforms: Vec<_> = images[0].platforms.iter().map(ToString::to_string).collect();
    assert_eq!(platforms, ["linux/amd64", "linux/arm64"]);
    let exported = stage.export("local/multi:1").await.unwrap();
    let again = Stage::new().import(None, &exported).await.unwrap();
    assert_eq!(again[0].digest, images[0].digest);

    let one: Platforms = "linux/arm64".parse().unwrap();
    let multi_reference = reference("local/multi:1");
    let tar_of_one = stage.images.export(TENANT, &multi_reference, Some(&one)).await.unwrap();
    let other = Stage::new();
    let one = other.import(None, &whole(tar_of_one).await).await.unwrap();
    assert_eq!(one[0].digest, arm.digest());
    let none: Platforms = "linux/s390x".parse().unwrap();
    let error = stage.images.export(TENANT, &multi_reference, Some(&none)).await.err().unwrap();
    assert!(error.to_string().contains("linux/amd64, linux/arm64"), "{error}");

    // Docker saves what it has of an index.
    let part = arm.onto(Tar::default()).json(&multi).layout(&top("part:1"));
    let images = other.import(None, &part.bytes()).await.unwrap();
    assert_eq!(images[0].reference.to_string(), "local/part:1");
    assert_eq!(images[0].digest, arm.digest());
}

#[tokio::test]
async fn skopeo_writes_and_reads_all_of_it() {
    let skopeo = program::skopeo();
    let (stage, built) = (Stage::new(), image("app", 3));
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).display().to_string();
    stage.import(None, &built.layout(Some("local/app:1")).bytes()).await.unwrap();
    std::fs::write(path("out.tar"), stage.export("local/app:1").await.unwrap()).unwrap();

    let inspected = skopeo.run(&["inspect", "--raw", &format!("oci-archive:{}", path("out.tar"))]);
    assert_eq!(Digest::of(inspected.as_bytes()), built.digest());
    let docker = skopeo.run(&["inspect", &format!("docker-archive:{}", path("out.tar"))]);
    let docker: Value = serde_json::from_str(&docker).unwrap();
    assert_eq!(docker["Architecture"], "amd64");

    for (form, name) in [
        ("oci-archive", "docker.io/library/skopeo:1"),
        ("docker-archive", "docker.io/library/skopeo:1"),
    ] {
        let (from, to) =
            (format!("oci-archive:{}", path("out.tar")), format!("{form}:{}:{name}", path(form)));
        let flags: &[_] = if form == "oci-archive" { &["--preserve-digests"] } else { &[] };
        skopeo.run(&[&["copy", "--quiet", &from, &to], flags].concat());
        let images = stage.import(None, &std::fs::read(path(form)).unwrap()).await.unwrap();
        assert_eq!(images[0].reference.to_string(), "local/skopeo:1", "{form}");
        let inspected = stage.images.inspect(TENANT, &images[0].reference).await.unwrap();
        // To docker's form it writes the configuration in its own way.
        let layers: Vec<_> = inspected.parts.iter().map(|part| part.descriptor.digest).collect();
        assert_eq!(layers, built.layers.iter().map(|layer| Digest::of(layer)).collect::<Vec<_>>());
        if form == "oci-archive" {
            assert_eq!(images[0].digest, built.digest());
        }
        // And what came from there goes out again.
        std::fs::write(path("again.tar"), stage.export("local/skopeo:1").await.unwrap()).unwrap();
        skopeo.run(&["inspect", &format!("oci-archive:{}", path("again.tar"))]);
    }
}

#[tokio::test]
async fn a_large_layer_passes_in_pieces() {
    let (stage, mut built) = (Stage::new(), image("large", 1));
    let large = layer("large", 48 << 20);
    built.layers = vec![large.clone()];
    built.config["rootfs"]["diff_ids"] = json!([Digest::of(&large).to_string()]);
    let images = stage.import(None, &built.saved(&["large:1"]).bytes()).await.unwrap();
    assert!(images[0].size > 48 << 20);
    let exported = stage.export("local/large:1").await.unwrap();
    let again = Stage::new().import(None, &exported).await.unwrap();
    assert_eq!(again[0].digest, images[0].digest);
}
