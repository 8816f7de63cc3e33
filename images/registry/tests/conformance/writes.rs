//! What a build's guest may push to, and what is hidden from everybody else.

use std::sync::Arc;

use hyper::Method;
use kiln_registry::{
    build::Maker,
    caller::{Caller, Writes},
    digest::Digest,
    name::RepositoryName,
    registry::Via,
};

use crate::{
    client::Client,
    content,
    stage::{Stage, Told, caller, listen},
};

const JOB: &str = "01arz3ndektsv4rrffq69g5fav";

async fn guest(stage: &Stage, job: &str, names: &[RepositoryName], told: &Arc<Told>) -> Client {
    let writes = Writes::Only(names.iter().cloned().collect());
    let caller = Caller { writes, job: Some(job.to_owned()), ..caller(&stage.tenant, told) };
    listen(&stage.registry, caller, Via::Guest).await
}

async fn push(client: &Client, name: &str, bytes: &[u8]) -> crate::client::Reply {
    let target = format!("/v2/{name}/blobs/uploads/?digest={}", Digest::of(bytes));
    client.ask(Method::POST, &target).body(bytes.to_vec()).send().await
}

#[tokio::test]
async fn a_build_pushes_to_what_it_was_told_to() {
    let (stage, told) = (Stage::new().await, Arc::default());
    let named = "cache/app".parse().unwrap();
    let guest = guest(&stage, JOB, &[named], &told).await;
    let (config, layer) = (content::blob(1, 64), content::blob(2, 300));
    for bytes in [&config, &layer] {
        push(&guest, "local/cache/app", bytes).await.has(201);
    }
    let image = content::bytes(&content::image(&config, &[&layer]));
    let put = async |name: &str| {
        let put = guest.ask(Method::PUT, &format!("/v2/{name}/manifests/main"));
        put.header("content-type", content::IMAGE).body(image.clone()).send().await
    };
    put("local/cache/app").await.has(201);
    guest.get("/v2/local/cache/app/manifests/main").await.has(200);
    for name in ["local/app", "local/cache", "local/cache/app/x", "local/kiln.build/x/cache/0"] {
        let refused = push(&guest, name, &layer).await.fails(403, "DENIED");
        assert!(refused.reason.contains("under the names that the host gave it"), "{refused:?}");
        put(name).await.fails(403, "DENIED");
        let target = format!("/v2/{name}/blobs/uploads/?mount={}", Digest::of(&layer));
        guest.post(&format!("{target}&from=local/cache/app")).await.fails(403, "DENIED");
        guest.post(&format!("/v2/{name}/blobs/uploads/")).await.fails(403, "DENIED");
    }
    // Nor does it take away, what it may push to included.
    for path in ["manifests/main".to_owned(), format!("blobs/{}", Digest::of(&layer))] {
        let target = format!("/v2/local/cache/app/{path}");
        guest.delete(&target).await.fails(403, "DENIED");
    }
    stage.client.get("/v2/local/cache/app/manifests/main").await.has(200);
    let refusals = told.refused.lock().unwrap().len();
    assert!(refusals >= 16, "{refusals} are told");
}

#[tokio::test]
async fn one_without_caches_pushes_nothing() {
    let (stage, told) = (Stage::new().await, Arc::default());
    stage.push_image("local/app", "v1", 1).await;
    let guest = guest(&stage, JOB, &[], &told).await;
    let refused = push(&guest, "local/app", b"x").await.fails(403, "DENIED");
    assert!(refused.reason.contains("pushes nothing but its caches"), "{refused:?}");
    guest.get("/v2/local/app/manifests/v1").await.has(200);
}

#[tokio::test]
async fn what_is_hidden_is_its_own_builds() {
    let (stage, told) = (Stage::new().await, Arc::default());
    let maker = Maker::new(&*stage.tenant, JOB).unwrap();
    let name = maker.cache_name(0);
    let place = format!("local/{name}");
    let own = guest(&stage, JOB, std::slice::from_ref(&name), &told).await;
    let layer = content::blob(2, 300);
    let pushed = push(&own, &place, &layer).await.has(201);
    let blob = pushed.location().to_owned();
    own.get(&blob).await.has(200);
    own.get(&format!("/v2/{place}/tags/list")).await.has(200);
    // Another build's that names it; a local client, who may push anything; a guest of no build.
    let other = guest(&stage, "another", std::slice::from_ref(&name), &told).await;
    for client in [&other, &stage.client, &stage.guest().await] {
        client.get(&blob).await.fails(404, "NAME_UNKNOWN");
        client.get(&format!("/v2/{place}/tags/list")).await.fails(404, "NAME_UNKNOWN");
        push(client, &place, &layer).await.fails(403, "DENIED");
        let mount = format!("?mount={}&from={place}", Digest::of(&layer));
        let begun = client.post(&format!("/v2/local/mine/blobs/uploads/{mount}")).await;
        assert_ne!(begun.status, 201, "it is mounted from what is hidden");
    }
    // No name leads to where the images are.
    for name in ["kiln.build".to_owned(), format!("kiln.build/{JOB}")] {
        let told = Arc::default();
        let named = guest(&stage, JOB, &[name.parse().unwrap()], &told).await;
        push(&named, &format!("local/{name}"), &layer).await.fails(403, "DENIED");
    }
    let listed = stage.client.get("/v2/_catalog").await.has(200);
    assert!(!String::from_utf8_lossy(&listed.body).contains("cache"), "{listed:?}");
}
