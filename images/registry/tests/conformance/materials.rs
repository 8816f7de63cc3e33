//! What a ledger is told: what went out whole, and what was refused.

use std::time::Duration;

use hyper::Method;
use kiln_registry::record::{Kind, Material, Origin};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::{content, stage::Stage};

/// The connection's side tells after the last byte is out, which its client may see before.
async fn served(stage: &Stage, count: usize) -> Vec<Material> {
    for _ in 0..500 {
        if stage.told.served.lock().unwrap().len() >= count {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    std::mem::take(&mut *stage.told.served.lock().unwrap())
}

#[tokio::test]
async fn what_went_out_is_told() {
    let stage = Stage::new().await;
    let (digest, image) = stage.push_image("local/app", "v1", 1).await;
    let bytes = content::blob(9, 2048);
    let blob = stage.push_blob("local/app", &bytes).await;
    assert_eq!(served(&stage, 0).await, []);

    stage.client.head("/v2/local/app/manifests/v1").await.has(200);
    stage.client.get("/v2/local/app/manifests/v1").await.has(200);
    stage.client.head(&format!("/v2/local/app/manifests/{digest}")).await.has(200);
    stage.client.get(&format!("/v2/local/app/manifests/{digest}")).await.has(200);
    let told = served(&stage, 3).await;
    let length = content::bytes(&image).len() as u64;
    let lines: Vec<_> = told.iter().map(|told| (told.tag.as_deref(), told.bytes)).collect();
    assert_eq!(lines, [(Some("v1"), 0), (Some("v1"), length), (None, length)]);
    for material in told {
        assert_eq!((material.kind, material.digest), (Kind::Manifest, digest));
        assert_eq!((material.registry, &*material.repository), (None, "local/app"));
        assert_eq!((&*material.media_type, material.origin), (content::IMAGE, Origin::Local));
    }

    let target = format!("/v2/local/app/blobs/{blob}");
    stage.client.head(&target).await.has(200);
    stage.client.get(&target).await.has(200);
    let part = stage.client.ask(Method::GET, &target).header("range", "bytes=2000-");
    part.send().await.has(206);
    let told = served(&stage, 2).await;
    let lines: Vec<_> = told.iter().map(|told| (told.kind, told.digest, told.bytes)).collect();
    assert_eq!(lines, [(Kind::Blob, blob, 2048), (Kind::Blob, blob, 48)]);
}

#[tokio::test]
async fn what_did_not_go_out_is_not() {
    let stage = Stage::new().await;
    let blob = stage.push_blob("local/app", &content::blob(1, 24 << 20)).await;
    let mut stream = tokio::net::TcpStream::connect(stage.client.address).await.unwrap();
    let request = format!("GET /v2/local/app/blobs/{blob} HTTP/1.1\r\nhost: localhost\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut some = vec![0; 1 << 20];
    stream.read_exact(&mut some).await.unwrap();
    drop(stream);
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(served(&stage, 0).await, []);
}

#[tokio::test]
async fn refusals_are_told_escaped_and_bounded() {
    let stage = Stage::new().await;
    let long = "a".repeat(2000);
    stage.client.get("/v2/local/app/manifests/v1").await.has(404);
    stage.client.get(&format!("/v2/local/app/manifests/%1b[31m{long}")).await.has(404);
    stage.client.get(&format!("/v2/%0a{long}/manifests/v1")).await.has(400);
    // How a push finds out what is there.
    stage.client.head("/v2/local/app/manifests/v1").await.has(404);
    stage.client.head(&format!("/v2/local/app/blobs/sha256:{}", "0".repeat(64))).await.has(404);
    let told = std::mem::take(&mut *stage.told.refused.lock().unwrap());
    assert_eq!(told.len(), 3);
    assert_eq!((&*told[0].repository, &*told[0].target), ("local/app", "v1"));
    assert_eq!(told[0].code, "MANIFEST_UNKNOWN");
    assert!(told[1].target.starts_with("\\u{1b}[31ma"), "{:?}", told[1].target);
    for refusal in told {
        for text in [&refusal.repository, &refusal.target, &refusal.reason] {
            assert!(text.len() <= 512 && text.bytes().all(|byte| (32..127).contains(&byte)));
        }
    }
}
