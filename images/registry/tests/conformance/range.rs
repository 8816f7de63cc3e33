//! Parts of blobs.

use hyper::Method;

use crate::{client::Reply, content, stage::Stage};

async fn part(stage: &Stage, target: &str, range: &str) -> Reply {
    stage.client.ask(Method::GET, target).header("range", range).send().await
}

#[tokio::test]
async fn a_part_is_what_was_asked_for() {
    let stage = Stage::new().await;
    let bytes = content::blob(1, 2048);
    let digest = stage.push_blob("local/a", &bytes).await;
    let target = format!("/v2/local/a/blobs/{digest}");
    for (range, first, last) in [
        ("bytes=500-1499", 500, 1499),
        ("bytes=500-", 500, 2047),
        ("bytes=-500", 1548, 2047),
        ("bytes=2000-5000", 2000, 2047),
        ("bytes=0-0", 0, 0),
        ("bytes=0-18446744073709551615", 0, 2047),
    ] {
        let reply = part(&stage, &target, range).await.has(206);
        assert_eq!(reply.header("content-range"), format!("bytes {first}-{last}/2048"));
        assert_eq!(reply.header("content-length"), (last - first + 1).to_string());
        assert_eq!(reply.body, bytes[first..=last], "{range}");
    }
}

#[tokio::test]
async fn parts_outside_of_it_are_refused() {
    let stage = Stage::new().await;
    let digest = stage.push_blob("local/a", &content::blob(1, 2048)).await;
    let target = format!("/v2/local/a/blobs/{digest}");
    for range in [
        "bytes=500-0",
        "bytes=5000-10000",
        "bytes=2048-",
        "bytes=-0",
        "bytes=99999999999999999999999999-",
    ] {
        let reply = part(&stage, &target, range).await.fails(416, "SIZE_INVALID");
        assert_eq!(reply.header("content-range"), "bytes */2048", "{range}");
    }
    let empty = stage.push_blob("local/a", b"").await;
    let reply = part(&stage, &format!("/v2/local/a/blobs/{empty}"), "bytes=0-").await.has(416);
    assert_eq!(reply.header("content-range"), "bytes */0");
}

#[tokio::test]
async fn what_is_no_part_is_the_whole() {
    let stage = Stage::new().await;
    let bytes = content::blob(1, 2048);
    let digest = stage.push_blob("local/a", &bytes).await;
    let target = format!("/v2/local/a/blobs/{digest}");
    let many = (0..1000).map(|at| format!("{at}-{at}")).collect::<Vec<_>>().join(",");
    for range in ["bytes=0-1,4-5", "items=0-1", "bytes=-", "", &format!("bytes={many}")] {
        let reply = part(&stage, &target, range).await.has(200);
        assert_eq!(reply.body, bytes, "{range}");
    }
    let twice = stage.client.ask(Method::GET, &target).header("range", "bytes=0-1");
    let twice = twice.header("range", "bytes=4-5").send().await.has(200);
    assert_eq!(twice.body, bytes);
}
