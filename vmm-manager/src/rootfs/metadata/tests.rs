//! What stands in the document, word for word.

use super::*;
use crate::{
    job::{self, JobId, rootfs::Skipped},
    rootfs::samples,
};

fn told(rootfs: &Rootfs, boot: &BootRecord) -> serde_json::Value {
    let made = MadeRootfs { digest: "sha256:1".to_owned(), size_bytes: 5, ..MadeRootfs::default() };
    let record = RootfsRecord {
        image_digest: "sha256:2".to_owned(),
        is_stale: true,
        made: Some(made.clone()),
    };
    let json = document(rootfs, &record, &made, boot, b"{\"version\": 1, \"x\": [1]}\n").unwrap();
    assert_eq!(json.last(), Some(&b'\n'));
    serde_json::from_slice(&json).unwrap()
}

#[test]
fn what_the_host_saw_stands_apart_from_what_it_was_told() {
    let after = Some(std::time::Duration::from_millis(3500));
    let up = job::Up { degraded: true, by: UpBy::Systemd, after };
    let console_tail = "one\ntwo".to_owned();
    let boot = BootRecord { up: Some(up), console_tail, ..BootRecord::default() };
    let source = RootfsImage::Reference("docker.io/library/alpine:3".to_owned());
    let rootfs = Rootfs { source, ..samples::rootfs() };
    assert_eq!(
        told(&rootfs, &boot),
        serde_json::json!({
            "version": 1, "artifact": "rootfs.ext4", "digest": "sha256:1", "size": 5,
            "image": {"reference": "docker.io/library/alpine:3", "digest": "sha256:2", "stale": true},
            "boot_check": {
                "state": "degraded", "by": "systemd", "after_seconds": 3.5, "console_tail": "one\ntwo",
            },
            "asked": {"reproducible": true, "commands": []}, "converter": {"version": 1, "x": [1]},
        })
    );
}

#[test]
fn what_was_run_before_promises_nothing() {
    let build = JobId::generate();
    let rootfs = Rootfs {
        source: RootfsImage::Build { build: build.clone(), export: String::new() },
        commands: vec!["apk add curl".to_owned()],
        ..samples::rootfs()
    };
    let boot = BootRecord { skipped: Some(Skipped::Format), ..BootRecord::default() };
    let told = told(&rootfs, &boot);
    assert_eq!(told["asked"]["reproducible"], false);
    assert_eq!(told["asked"]["commands"], serde_json::json!(["apk add curl"]));
    assert_eq!(told["image"]["build"], build.as_str());
    assert_eq!(told["boot_check"], serde_json::json!({"skipped": "format"}));
}
