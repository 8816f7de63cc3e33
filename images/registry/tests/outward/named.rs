//! Names: given, listed in pages, taken away; and what goes with them.

use std::time::Duration;

use kiln_registry::{
    manifest::{Manifest, media},
    name::Target,
    operate::{Listing, OperateError},
};

use crate::{
    stage::{Stage, TENANT, pieces, reference},
    tars::{Tar, image, index, of},
};

async fn with(images: &[&str]) -> Stage {
    let stage = Stage::new();
    for name in images {
        let built = image(name, 2);
        let target = format!("local/{name}:1");
        stage.import(Some(&target), &built.layout(None).bytes()).await.unwrap();
    }
    stage
}

#[tokio::test]
async fn tags_are_given_and_taken_away() {
    let stage = with(&["app"]).await;
    let (app, other) = (reference("local/app:1"), reference("local/group/other:2"));
    let tagged = stage.images.tag(TENANT, &app, &other).await.unwrap();
    assert_eq!(tagged.reference, other);
    assert!(!tagged.incomplete);
    assert_eq!(stage.names().await, ["local/app:1", "local/group/other:2"]);
    let removed = stage.images.remove(TENANT, &app).await.unwrap();
    assert_eq!(removed, std::slice::from_ref(&app));
    assert!(matches!(stage.images.remove(TENANT, &app).await, Err(OperateError::NotFound { .. })));
    // By another name it is still whole.
    assert!(stage.export("local/group/other:2").await.is_ok());

    let second = reference("local/group/other:3");
    stage.images.tag(TENANT, &other, &second).await.unwrap();
    let by_digest = format!("local/group/other@{}", tagged.digest);
    let removed = stage.images.remove(TENANT, &reference(&by_digest)).await.unwrap();
    let removed: Vec<_> = removed.iter().map(ToString::to_string).collect();
    assert_eq!(removed, [other.to_string(), second.to_string(), by_digest]);
    assert_eq!(stage.names().await, Vec::<String>::new());
}

#[tokio::test]
async fn who_may_name_what() {
    let stage = with(&["app"]).await;
    let app = reference("local/app:1");
    let outside = reference("registry.example/app:1");
    let error = stage.images.tag(TENANT, &app, &outside).await.unwrap_err();
    assert!(matches!(error, OperateError::NotLocal { .. }));
    let error = stage.images.tag(TENANT, &outside, &app).await.unwrap_err();
    assert!(error.to_string().contains("pull it first"), "{error}");
    // Another tenant sees none of it.
    for error in [
        stage.images.inspect("other", &app).await.unwrap_err(),
        stage.images.remove("other", &app).await.unwrap_err(),
        stage.images.tag("other", &app, &app).await.unwrap_err(),
        stage.images.export("other", &app, None).await.err().unwrap(),
    ] {
        assert!(matches!(error, OperateError::NotFound { .. }), "{error}");
    }
    let listing = Listing { limit: 10, ..Listing::default() };
    assert!(stage.images.list("other", &listing).await.unwrap().images.is_empty());
}

#[tokio::test]
async fn listed_in_pages() {
    let stage = with(&["a", "b"]).await;
    for number in 2..=7 {
        let target = reference(&format!("local/a:{number}"));
        stage.images.tag(TENANT, &reference("local/a:1"), &target).await.unwrap();
    }
    let all = stage.names().await;
    assert_eq!(all.len(), 8);
    for limit in 1..=9 {
        let (mut names, mut after) = (Vec::new(), None);
        loop {
            let listing = Listing { limit, after, ..Listing::default() };
            let page = stage.images.list(TENANT, &listing).await.unwrap();
            assert!(page.images.len() <= limit);
            names.extend(page.images.iter().map(|image| image.reference.to_string()));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(names, all, "{limit} a page");
    }
    let listing = Listing { name: "al/b".into(), limit: 10, ..Listing::default() };
    assert_eq!(stage.images.list(TENANT, &listing).await.unwrap().images.len(), 1);
}

/// As if it had been put long ago.
async fn dropped(stage: &Stage, image: &str) -> u64 {
    let repository = reference(image).repository(TENANT);
    stage.store.drop_untagged(&repository, Duration::ZERO).await.unwrap()
}

#[tokio::test]
async fn what_no_tag_leads_to_is_listed_and_pruned() {
    let stage = with(&["keep", "go"]).await;
    // The same content under one more name, in a repository of its own.
    let shared = image("go", 2).layout(None).bytes();
    stage
        .images
        .import("other", Some(&reference("local/theirs:1")), pieces(&shared))
        .await
        .unwrap();
    stage.images.remove(TENANT, &reference("local/go:1")).await.unwrap();
    let listing = Listing { untagged: true, limit: 10, ..Listing::default() };
    let page = stage.images.list(TENANT, &listing).await.unwrap();
    let digest = image("go", 2).digest();
    let untagged = page.images.iter().find(|image| image.reference.digest.is_some()).unwrap();
    assert_eq!((page.images.len(), untagged.digest), (2, digest));

    // It was put a moment ago: somebody might be about to give it a tag.
    assert_eq!(stage.images.prune(TENANT, false).await.unwrap().images, 0);
    let reached = stage.export(&format!("local/go@{digest}")).await;
    assert!(reached.is_ok());
    assert_eq!(stage.names().await, ["local/keep:1"]);

    // Later on it goes, with what nobody else has.
    let (go, theirs) = (reference("local/go:1"), reference("local/theirs:1"));
    assert_eq!(dropped(&stage, "local/go:1").await, 1);
    assert_eq!(dropped(&stage, "local/keep:1").await, 0);
    let kept = stage.store.usage(TENANT).await.unwrap().stored;
    assert_eq!(kept, image("keep", 2).size());
    stage.images.prune(TENANT, false).await.unwrap();
    assert!(stage.images.inspect(TENANT, &go.with(Target::Digest(digest))).await.is_err());
    let theirs = stage.images.inspect("other", &theirs).await.unwrap();
    assert!(!theirs.image.incomplete);
    assert!(stage.export("local/keep:1").await.is_ok());
}

#[tokio::test]
async fn images_that_share_layers_outlive_each_other() {
    let stage = Stage::new();
    let (one, two) = (image("same", 2), image("same", 3));
    let tar = two.onto(one.onto(Tar::default()));
    let tar = tar.layout(&index(&[one.entry(Some("local/a:1")), two.entry(Some("local/a:2"))]));
    stage.import(None, &tar.bytes()).await.unwrap();
    let by_digest = format!("local/a@{}", one.digest());
    stage.images.remove(TENANT, &reference(&by_digest)).await.unwrap();
    stage.images.prune(TENANT, false).await.unwrap();
    assert!(stage.export("local/a:2").await.is_ok());
}

/// Pushed as they are, from a guest: the store doesn't follow them.
#[tokio::test]
async fn indexes_that_lead_too_far_are_listed_and_removed() {
    let stage = with(&["app"]).await;
    let repository = reference("local/app:1").repository(TENANT);
    let mut entry = image("app", 2).entry(None);
    for number in 0..7 {
        let index = index(&[entry]);
        let text = index.to_string();
        let manifest = Manifest::parse(None, text.as_bytes()).unwrap();
        let tag = format!("deep{number}").parse().unwrap();
        stage.store.put_manifest(&repository, Some(&tag), &manifest, text.into()).await.unwrap();
        entry = of(media::OCI_INDEX, &index);
    }
    let mut liar = image("app", 2).entry(None);
    liar["size"] = 1.into();
    let text = index(&[liar]).to_string();
    let manifest = Manifest::parse(None, text.as_bytes()).unwrap();
    let tag = "liar".parse().unwrap();
    stage.store.put_manifest(&repository, Some(&tag), &manifest, text.into()).await.unwrap();

    let names = stage.names().await;
    assert_eq!(names.len(), 9);
    for name in ["local/app:deep6", "local/app:liar"] {
        let inspected = stage.images.inspect(TENANT, &reference(name)).await.unwrap();
        assert!(inspected.image.incomplete, "{name}");
        assert!(stage.export(name).await.is_err(), "{name}");
        stage.images.remove(TENANT, &reference(name)).await.unwrap();
    }
    assert!(stage.export("local/app:deep0").await.is_ok());
}
