//! To registries outside, Debian's docker-registry among them, and back.

use std::{sync::Arc, time::Duration};

use kiln_registry::{
    caller::Outside,
    digest::Digest,
    operate::{OperateError, Platforms},
    upstream::Limits,
};
use serde_json::json;

use crate::{
    program::{self, Registry},
    stage::{Heard, Stage, TENANT, caller, reference},
    tars::{Tar, for_platform, image, image_for, index, layer, of},
};

mod cut;

#[tokio::test]
async fn an_image_is_pushed_and_pulled_back() {
    let registry = Registry::start();
    let (stage, built) = (Stage::knowing(&[&registry.host]), image("app", 6));
    stage.import(Some("local/app:1"), &built.layout(None).bytes()).await.unwrap();
    let target = reference(&format!("{}/group/app:1", registry.host));
    let heard = Heard::default();
    let source = reference("local/app:1");
    let push = async || {
        stage.images.push(&caller(), &source, Some(&target), &heard.progress()).await.unwrap()
    };
    let pushed = push().await;
    assert_eq!(pushed.digest, built.digest());
    let sizes: usize = built.layers.iter().map(Vec::len).sum();
    assert!(pushed.sent > sizes as u64);
    // Each blob and the manifest is told to its end.
    let ends = heard.all().iter().filter(|heard| heard.done == heard.total).count();
    assert_eq!(ends, 6 + 1 + 1);
    assert!(heard.all().iter().all(|heard| !heard.present));

    // What is there is not sent again.
    assert!(push().await.sent < 3000);
    assert_eq!(heard.all().iter().filter(|heard| heard.present).count(), 7);

    let other = Stage::knowing(&[&registry.host]);
    let pulled = other
        .images
        .pull(&caller(), &target, &Platforms::host(), &Heard::default().progress())
        .await
        .unwrap();
    assert_eq!(pulled.image.digest, built.digest());
    assert!(!pulled.image.incomplete && !pulled.is_stale);
    assert!(pulled.fetched > sizes as u64, "{} of {sizes}", pulled.fetched);
    // From there it has a name of its own, and is carried out.
    other.images.tag(TENANT, &target, &reference("local/mine:1")).await.unwrap();
    other.export("local/mine:1").await.unwrap();
    let place = format!("docker://{target}");
    let raw = program::skopeo().run(&["inspect", "--raw", "--tls-verify=false", &place]);
    assert_eq!(Digest::of(raw.as_bytes()), built.digest());
}

#[tokio::test]
async fn an_index_goes_with_its_children() {
    let registry = Registry::start();
    let stage = Stage::knowing(&[&registry.host]);
    let (amd, arm) = (image_for("app", 2, "amd64"), image_for("app", 2, "arm64"));
    let multi =
        index(&[for_platform(amd.entry(None), "amd64"), for_platform(arm.entry(None), "arm64")]);
    let entry = of(kiln_registry::manifest::media::OCI_INDEX, &multi);
    let tar = arm.onto(amd.onto(Tar::default())).json(&multi).layout(&index(&[entry]));
    stage.import(Some("local/multi:1"), &tar.bytes()).await.unwrap();
    let target = reference(&format!("{}/multi:1", registry.host));
    let (source, progress) = (reference("local/multi:1"), Heard::default().progress());
    stage.images.push(&caller(), &source, Some(&target), &progress).await.unwrap();

    // One platform of it, then the rest.
    let other = Stage::knowing(&[&registry.host]);
    let one: Platforms = "linux/arm64".parse().unwrap();
    let pulled = other.images.pull(&caller(), &target, &one, &progress).await.unwrap();
    assert!(pulled.image.incomplete);
    assert_eq!(pulled.image.platforms[0].to_string(), "linux/arm64");
    let exported = other.images.export(TENANT, &target, None).await;
    assert!(exported.is_ok());
    let again = reference(&format!("{}/again:1", registry.host));
    let error = other.images.push(&caller(), &target, Some(&again), &progress).await.unwrap_err();
    assert!(matches!(error, OperateError::Incomplete { .. }), "{error}");
    let pulled = other.images.pull(&caller(), &target, &Platforms::All, &progress).await.unwrap();
    assert!(!pulled.image.incomplete);
    let none: Platforms = "plan9/mips".parse().unwrap();
    let error = other.images.pull(&caller(), &target, &none, &progress).await.unwrap_err();
    assert!(error.to_string().contains("linux/amd64, linux/arm64"), "{error}");
}

#[tokio::test]
async fn what_another_repository_there_has_is_mounted() {
    let registry = Registry::start();
    let (stage, built) = (Stage::knowing(&[&registry.host]), image("base", 4));
    stage.import(Some("local/base:1"), &built.layout(None).bytes()).await.unwrap();
    let progress = Heard::default().progress();
    let base = reference(&format!("{}/base:1", registry.host));
    let local = reference("local/base:1");
    stage.images.push(&caller(), &local, Some(&base), &progress).await.unwrap();
    // Known to be there from a pull.
    stage.images.pull(&caller(), &base, &Platforms::All, &progress).await.unwrap();
    for (source, name) in [(&local, "one"), (&base, "two")] {
        let target = reference(&format!("{}/{name}:1", registry.host));
        let pushed = stage.images.push(&caller(), source, Some(&target), &progress).await.unwrap();
        assert!(pushed.sent < 3000, "{} bytes", pushed.sent);
        assert_eq!(registry.layers(name), 5);
    }
}

#[tokio::test]
async fn where_a_push_may_not_go() {
    let stage = Stage::knowing(&["127.0.0.1:1"]);
    let built = image("app", 1);
    stage.import(Some("local/app:1"), &built.layout(None).bytes()).await.unwrap();
    let (source, progress) = (reference("local/app:1"), Heard::default().progress());
    let push = async |caller: &_, target: Option<&str>| {
        let target = target.map(reference);
        stage.images.push(caller, &source, target.as_ref(), &progress).await.unwrap_err()
    };
    let error = push(&caller(), Some("local/other:1")).await;
    assert!(matches!(error, OperateError::PushedToItself { .. }));
    assert!(matches!(push(&caller(), None).await, OperateError::PushedToItself { .. }));
    let inside = kiln_registry::caller::Caller { outside: Outside::StoredOnly, ..caller() };
    let error = push(&inside, Some("127.0.0.1:1/app:1")).await;
    assert!(matches!(error, OperateError::NotAdmitted { .. }));
    let others = Outside::Asked(Arc::new(|host| host.name() == "registry.example"));
    let others = kiln_registry::caller::Caller { outside: others, ..caller() };
    let error = push(&others, Some("127.0.0.1:1/app:1")).await;
    assert!(matches!(error, OperateError::NotAdmitted { .. }));
    let digest = format!("127.0.0.1:1/app@{}", Digest::of(b"other"));
    assert!(matches!(push(&caller(), Some(&digest)).await, OperateError::OtherDigest { .. }));
}

/// Whom to blame, in numbers.
#[tokio::test]
async fn a_registry_that_is_not_there() {
    let limits = Limits {
        operation: Duration::from_secs(2),
        tries: 2,
        back_off: Duration::from_millis(10),
        ..Limits::default()
    };
    let stage = Stage::with(&["127.0.0.1:1"], limits);
    let built = image("app", 1);
    stage.import(Some("local/app:1"), &built.layout(None).bytes()).await.unwrap();
    let (source, progress) = (reference("local/app:1"), Heard::default().progress());
    let target = reference("127.0.0.1:1/group/app:1");
    let pushed = stage.images.push(&caller(), &source, Some(&target), &progress).await;
    let pulled = stage.images.pull(&caller(), &target, &Platforms::All, &progress).await;
    for error in [pushed.unwrap_err(), pulled.unwrap_err()] {
        let blamed = error.blamed().expect("somebody is to blame");
        assert_eq!((blamed.host.as_str(), &blamed.repository[..]), ("127.0.0.1:1", "group/app"));
        assert_eq!(blamed.status, None);
    }
}

/// The connection is cut in the middle of a large layer, more than once: the push goes on.
#[tokio::test]
async fn lost_connections_in_the_middle_of_a_layer() {
    let registry = Registry::start();
    let cutting = cut::Cutting::often(&registry.host, 3, 1500 << 10).await;
    let limits =
        Limits { upload_piece: 1 << 20, back_off: Duration::from_millis(20), ..Limits::default() };
    let stage = Stage::with(&[&cutting.host], limits);
    let mut built = image("large", 1);
    let large = layer("large", 6 << 20);
    built.layers = vec![large.clone()];
    built.config["rootfs"]["diff_ids"] = json!([Digest::of(&large).to_string()]);
    stage.import(None, &built.saved(&["large:1"]).bytes()).await.unwrap();
    let (source, heard) = (reference("local/large:1"), Heard::default());
    let target = reference(&format!("{}/large:1", cutting.host));
    let pushed =
        stage.images.push(&caller(), &source, Some(&target), &heard.progress()).await.unwrap();
    assert_eq!(cutting.cuts(), 3);
    // This registry begins again after each; nothing is sent more often than that.
    assert!(cutting.passed() < 3 * (1600 << 10) + 2 * large.len() as u64);
    let direct = Stage::knowing(&[&registry.host]);
    let target = reference(&format!("{}/large:1", registry.host));
    let progress = heard.progress();
    let pulled = direct.images.pull(&caller(), &target, &Platforms::All, &progress).await.unwrap();
    assert_eq!(pulled.image.digest, pushed.digest);
}
