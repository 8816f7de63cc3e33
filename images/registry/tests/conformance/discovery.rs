//! Lists: of tags, of what is about a manifest, of repositories.

use kiln_registry::{digest::Digest, registry::Via};
use serde_json::{Value, json};

use crate::{client::Reply, content, stage::Stage};

fn strings(value: &Value) -> Vec<String> {
    let strings = value.as_array().unwrap_or_else(|| panic!("no list: {value}")).iter();
    strings.map(|string| string.as_str().unwrap().to_owned()).collect()
}

/// Where its next page is.
fn next(reply: &Reply) -> Option<String> {
    let link = reply.header("link");
    if link.is_empty() {
        return None;
    }
    let link = link.strip_prefix('<').and_then(|link| link.strip_suffix(">; rel=\"next\""));
    Some(link.unwrap_or_else(|| panic!("{reply:?}")).to_owned())
}

#[tokio::test]
async fn tags_come_sorted_and_in_pages() {
    let stage = Stage::new().await;
    let (_, image) = stage.push_image("local/app", "b", 1).await;
    for tag in ["c", "A", "_x", "v1.0", "a", "1"] {
        stage.put("local/app", tag, &image).await.has(201);
    }
    let sorted = ["1", "A", "_x", "a", "b", "c", "v1.0"];
    let list = async |query: &str| {
        stage.client.get(&format!("/v2/local/app/tags/list{query}")).await.has(200)
    };
    let all = list("").await;
    assert_eq!(all.json()["name"], "local/app");
    assert_eq!(strings(&all.json()["tags"]), sorted);
    assert_eq!(next(&all), None);

    let mut query = "?n=3".to_owned();
    let mut pages = Vec::new();
    loop {
        let page = list(&query).await;
        pages.push(strings(&page.json()["tags"]));
        let Some(link) = next(&page) else { break };
        query = link.strip_prefix("/v2/local/app/tags/list").unwrap().to_owned();
    }
    assert_eq!(pages, [&sorted[..3], &sorted[3..6], &sorted[6..]]);

    assert_eq!(strings(&list("?last=a").await.json()["tags"]), ["b", "c", "v1.0"]);
    assert_eq!(strings(&list("?last=aa&n=1").await.json()["tags"]), ["b"]);
    assert_eq!(strings(&list("?last=zzz").await.json()["tags"]), Vec::<String>::new());
    assert_eq!(strings(&list("?n=7").await.json()["tags"]), sorted);
    assert_eq!(next(&list("?n=7").await), None);
    assert_eq!(strings(&list("?n=99999999999999999999").await.json()["tags"]), sorted);
    let none = list("?n=0").await;
    assert_eq!((strings(&none.json()["tags"]), next(&none)), (Vec::new(), None));
    for n in ["-1", "a", ""] {
        let target = format!("/v2/local/app/tags/list?n={n}");
        stage.client.get(&target).await.fails(400, "UNSUPPORTED");
    }
}

#[tokio::test]
async fn tags_of_nothing() {
    let stage = Stage::new().await;
    stage.client.get("/v2/local/app/tags/list").await.fails(404, "NAME_UNKNOWN");
    let (digest, _) = stage.push_image("local/app", "v1", 1).await;
    stage.client.delete("/v2/local/app/manifests/v1").await.has(202);
    let list = stage.client.get("/v2/local/app/tags/list").await.has(200);
    assert_eq!(list.json()["tags"], json!([]));
    stage.client.get(&format!("/v2/local/app/manifests/{digest}")).await.has(200);
}

/// Some of what is about it came before it.
#[tokio::test]
async fn what_is_about_a_manifest_is_listed() {
    let stage = Stage::new().await;
    stage.push_blob("local/app", b"{}").await;
    let (config, layer) = (content::blob(1, 64), content::blob(2, 300));
    let image = content::image(&config, &[&layer]);
    let subject = content::descriptor(content::IMAGE, &content::bytes(&image));
    let about = |kind: Option<&str>, config_kind: &str, at: usize| {
        let mut manifest = json!({
            "schemaVersion": 2, "mediaType": content::IMAGE,
            "config": content::descriptor(config_kind, b"{}"),
            "layers": [content::descriptor(content::EMPTY, b"{}")],
            "subject": subject,
            "annotations": {"org.example.at": at.to_string()},
        });
        if let Some(kind) = kind {
            manifest["artifactType"] = json!(kind);
        }
        manifest
    };
    let mut index = content::index(&[]);
    index["artifactType"] = json!("application/vnd.b+json");
    index["subject"] = subject.clone();
    let referrers = [
        (about(None, "application/vnd.a+json", 0), "application/vnd.a+json"),
        (about(Some("application/vnd.a+json"), content::EMPTY, 1), "application/vnd.a+json"),
        (about(Some("application/vnd.b+json"), content::EMPTY, 2), "application/vnd.b+json"),
        (index, "application/vnd.b+json"),
    ];
    let target = format!("/v2/local/app/referrers/{}", subject["digest"].as_str().unwrap());
    let list = async |query: &str| {
        let reply = stage.client.get(&format!("{target}{query}")).await.has(200);
        assert_eq!(reply.header("content-type"), content::INDEX);
        let json = reply.json();
        assert_eq!(
            (&json["schemaVersion"], &json["mediaType"]),
            (&json!(2), &json!(content::INDEX))
        );
        reply
    };
    assert_eq!(list("").await.json()["manifests"], json!([]));
    for (position, (manifest, _)) in referrers.iter().enumerate() {
        if position == 2 {
            stage.push_image("local/app", "v1", 1).await;
        }
        let reference = Digest::of(&content::bytes(manifest)).to_string();
        let put = stage.put("local/app", &reference, manifest).await.has(201);
        assert_eq!(put.header("oci-subject"), subject["digest"]);
    }
    let mut expected: Vec<_> = referrers
        .iter()
        .map(|(manifest, kind)| {
            let media_type = manifest["mediaType"].as_str().unwrap();
            let mut descriptor = content::descriptor(media_type, &content::bytes(manifest));
            descriptor["artifactType"] = json!(kind);
            if let Some(annotations) = manifest.get("annotations") {
                descriptor["annotations"] = annotations.clone();
            }
            descriptor
        })
        .collect();
    expected.sort_by_key(|descriptor| descriptor["digest"].to_string());
    let all = list("").await;
    assert_eq!(all.json()["manifests"], json!(expected));
    assert_eq!(all.header("oci-filters-applied"), "");

    let of_b = list("?artifactType=application%2Fvnd.b%2Bjson").await;
    assert_eq!(of_b.header("oci-filters-applied"), "artifactType");
    let expected_b =
        expected.iter().filter(|descriptor| descriptor["artifactType"] == "application/vnd.b+json");
    assert_eq!(of_b.json()["manifests"], json!(expected_b.collect::<Vec<_>>()));
    assert_eq!(list("?artifactType=none").await.json()["manifests"], json!([]));

    let mut paged = Vec::new();
    let mut query = "?artifactType=application/vnd.b+json&n=1".to_owned();
    loop {
        let page = list(&query).await;
        paged.extend(page.json()["manifests"].as_array().unwrap().clone());
        let Some(link) = next(&page) else { break };
        query = link.strip_prefix(&target).unwrap().to_owned();
    }
    assert_eq!(json!(paged), of_b.json()["manifests"]);

    // Deleted, it is about nothing.
    let first = Digest::of(&content::bytes(&referrers[0].0));
    stage.client.delete(&format!("/v2/local/app/manifests/{first}")).await.has(202);
    assert_eq!(list("").await.json()["manifests"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn nothing_is_about_what_is_not_here() {
    let stage = Stage::new().await;
    let digest = Digest::of(b"hello world");
    for name in ["local/app", "local/never/pushed"] {
        let reply = stage.client.get(&format!("/v2/{name}/referrers/{digest}")).await.has(200);
        assert_eq!(reply.header("content-type"), content::INDEX);
        assert_eq!(reply.json()["manifests"], json!([]));
    }
    let reply = stage.client.get("/v2/local/app/referrers/v1").await;
    reply.fails(400, "DIGEST_INVALID");
}

#[tokio::test]
async fn the_catalog_is_of_a_tenant_and_not_for_guests() {
    let stage = Stage::new().await;
    for name in ["local/b", "local/a/x", "local/c"] {
        stage.push_image(name, "v1", 1).await;
    }
    let all = stage.client.get("/v2/_catalog").await.has(200);
    assert_eq!(strings(&all.json()["repositories"]), ["local/a/x", "local/b", "local/c"]);
    let first = stage.client.get("/v2/_catalog?n=2").await.has(200);
    assert_eq!(strings(&first.json()["repositories"]), ["local/a/x", "local/b"]);
    let second = stage.client.get(&next(&first).unwrap()).await.has(200);
    assert_eq!(strings(&second.json()["repositories"]), ["local/c"]);
    let other = stage.stranger(Via::Loopback).await;
    let none = other.get("/v2/_catalog").await.has(200);
    assert_eq!(none.json()["repositories"], json!([]));
    let guest = stage.guest().await;
    guest.get("/v2/_catalog").await.fails(404, "UNSUPPORTED");
}
