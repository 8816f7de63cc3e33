//! A disk that is full in the middle of a blob.

use std::{env, process::Command};

use hyper::Method;
use kiln_registry::{digest::Digest, store::Limits};

use crate::{content, stage::Stage};

const NAME: &str = "full::a_full_disk_is_told_and_mended";
const APART: &str = "KILN_APART";

/// The test again, in mounts of its own, with a small file system where temporary files are.
fn apart() {
    let mount = "mount -t tmpfs -o size=12m none \"$TMPDIR\" && exec \"$@\"";
    let directory = tempfile::tempdir().unwrap();
    let mut unshare = Command::new("unshare");
    if !rustix::process::geteuid().is_root() {
        unshare.args(["--user", "--map-root-user"]);
    }
    let told = unshare
        .args(["--mount", "--", "sh", "-c", mount, "sh"])
        .arg(env::current_exe().unwrap())
        .args(["--exact", NAME, "--nocapture"])
        .env(APART, "1")
        .env("TMPDIR", directory.path())
        .output()
        .unwrap();
    assert!(told.status.success(), "{told:?}");
    assert!(String::from_utf8_lossy(&told.stdout).contains("1 passed"), "{told:?}");
}

#[tokio::test]
async fn a_full_disk_is_told_and_mended() {
    if env::var_os(APART).is_none() {
        return apart();
    }
    let stage = Stage::with(Limits::default()).await;
    let small = stage.push_blob("local/app", &content::blob(1, 512)).await;
    let bytes = content::blob(2, 16 << 20);
    let target = format!("/v2/local/app/blobs/uploads/?digest={}", Digest::of(&bytes));
    let posted = stage.client.ask(Method::POST, &target).body(bytes.clone()).send().await;
    let posted = posted.fails(507, "SERVICE_UNAVAILABLE");
    assert!(posted.reason.contains("full"), "{posted:?}");
    assert_eq!(stage.told.refused.lock().unwrap().len(), 1);

    let begun = stage.client.post("/v2/local/app/blobs/uploads/").await.has(202);
    let patch = stage.client.ask(Method::PATCH, begun.location()).body(bytes).send().await;
    patch.fails(507, "SERVICE_UNAVAILABLE");
    // What was refused takes no space: what is here is read, and what fits is written.
    stage.client.get(&format!("/v2/local/app/blobs/{small}")).await.has(200);
    stage.push_blob("local/app", &content::blob(3, 2 << 20)).await;
    stage.push_image("local/app", "v1", 4).await;
}
