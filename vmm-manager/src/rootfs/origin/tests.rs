//! What another job has left, and what it has not.

use std::{sync::Arc, time::SystemTime};

use super::*;
use crate::{
    build::{BuildRecord, Content, samples as builds},
    job::{Failure, FailureClass, ImageExport, JobSpec, rootfs::Packing},
    rootfs::samples,
    store::samples::{owner, spec},
};

fn ended(work: Work, outcome: Outcome, outputs: &[&str]) -> Job {
    let now = SystemTime::now();
    let output = |name: &&str| OutputRecord {
        name: (*name).to_owned(),
        size_bytes: 1,
        digest: String::new(),
        expired: false,
    };
    Job {
        state: State::Ended { outcome, started_at: Some(now), ended_at: now },
        outputs: outputs.iter().map(output).collect(),
        ..Job::new(owner("a"), JobSpec { work, ..spec("x") })
    }
}

fn build(exports: &[&str]) -> Job {
    let export = |(output, name): (usize, &&str)| Export {
        name: (*name).to_owned(),
        output,
        kind: ExportKind::Image(ImageExport::default()),
    };
    let image = |name: &&str| Image {
        export: (*name).to_owned(),
        content: Content {
            digest: format!("sha256:{name}"),
            media_type: String::new(),
            size_bytes: 1,
        },
        total_bytes: 1,
        platforms: Vec::new(),
        names: Vec::new(),
    };
    let tree = Export {
        name: "tree".to_owned(),
        output: exports.len(),
        kind: ExportKind::Tree { platform_split: false },
    };
    let all = exports.iter().enumerate().map(export).chain([tree]).collect();
    let work = Work::Build(Box::new(crate::job::Build { exports: all, ..builds::build() }));
    let images = exports.iter().map(image).collect();
    let names: Vec<_> = exports.iter().copied().chain(["tree"]).collect();
    Job {
        build: Some(Arc::new(BuildRecord { images, ..BuildRecord::default() })),
        ..ended(work, Outcome::Completed, &names)
    }
}

#[test]
fn the_only_image_of_a_build_needs_no_name() {
    let one = build(&["image"]);
    assert_eq!(image(&one, "").unwrap().export, "image");
    assert_eq!(image(&one, "image").unwrap().export, "image");
    let two = build(&["a", "b"]);
    assert_eq!(image(&two, "b").unwrap().export, "b");
    let words = |job: &Job, export: &str| image(job, export).unwrap_err().to_string();
    assert!(words(&two, "").contains("several images: a, b"));
    assert!(words(&two, "tree").contains("it has a, b"));
    assert!(words(&build(&[]), "").contains("no image"));
    assert!(image(&two, "tree").unwrap_err().is_absent());
    let mut expired = build(&["image"]);
    expired.outputs[0].expired = true;
    assert_eq!(image(&expired, ""), Err(OriginError::Expired(expired.id.clone())));
    let exec = ended(spec("x").work, Outcome::Completed, &[]);
    assert_eq!(image(&exec, ""), Err(OriginError::NoBuild(exec.id.clone())));
}

#[test]
fn what_did_not_complete_has_left_nothing() {
    let failure = Failure::new(FailureClass::User, "no");
    let mut job = build(&["image"]);
    for outcome in [failure.into(), Outcome::Cancelled, Outcome::Timeout] {
        let now = SystemTime::now();
        job.state = State::Ended { outcome, started_at: None, ended_at: now };
        assert_eq!(image(&job, ""), Err(OriginError::Failed(job.id.clone())));
        assert_eq!(root(&job, "x"), Err(OriginError::Failed(job.id.clone())));
    }
    job.state = State::Queued;
    assert_eq!(image(&job, ""), Err(OriginError::Runs(job.id.clone())));
}

#[test]
fn only_a_plain_ext4_is_booted() {
    let made = |packing| {
        let rootfs = crate::job::Rootfs { packing, ..samples::rootfs() };
        ended(Work::Rootfs(Box::new(rootfs)), Outcome::Completed, &["rootfs", "metadata"])
    };
    let plain = made(Packing::None);
    assert_eq!(root(&plain, "rootfs.ext4").unwrap().name, "rootfs");
    assert!(root(&plain, "rootfs.json").unwrap_err().is_absent());
    let packed = made(Packing::Zstd);
    assert!(root(&packed, "rootfs.ext4").unwrap_err().is_absent());
    let error = root(&packed, "rootfs.ext4.zst").unwrap_err();
    assert!(matches!(error, OriginError::NotBootable { .. }) && !error.is_absent());
    let other = ended(spec("x").work, Outcome::Completed, &["disk"]);
    assert_eq!(root(&other, "disk").unwrap().name, "disk");
    assert!(root(&other, "rootfs.ext4").unwrap_err().is_absent());
    assert!(root(&build(&["a"]), "a").unwrap_err().is_absent());
}
