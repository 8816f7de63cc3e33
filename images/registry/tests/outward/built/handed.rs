//! Tars that are put together while they are read: always the same, from whatever byte, and read by
//! other people's programs.

use kiln_registry::{
    content::Part,
    digest::Digest,
    operate::{Form, OperateError, Plan},
};

use super::given::{exported, maker};
use crate::{
    program::{skopeo, umoci},
    stage::{Stage, reference, whole},
    tars::{image_for, index},
};

async fn plan(stage: &Stage, digest: Digest, form: Form) -> Plan {
    let names = ["local/app:1", "registry.example/app:main"].map(reference);
    stage.images.plan_build(&maker(), digest, form, &names).await.unwrap()
}

#[tokio::test]
async fn the_same_bytes_each_time_and_from_everywhere() {
    let (stage, other) = (Stage::new(), Stage::new());
    let digest = stage.ingest(&exported("app", 2).bytes()).await.unwrap().root.digest;
    other.ingest(&exported("app", 2).documents_first()).await.unwrap();
    for form in [Form::Oci, Form::Docker] {
        let tar = plan(&stage, digest, form).await;
        let all = whole(tar.read(None)).await;
        assert_eq!(all.len() as u64, tar.size());
        assert_eq!(tar.digest().await.unwrap(), Digest::of(&all));
        assert_eq!(whole(plan(&other, digest, form).await.read(None)).await, all);
        let size = tar.size();
        for start in (0..size + 3).step_by(761) {
            for length in [0, 1, 511, 4096, size] {
                let part = whole(tar.read(Some(Part { start, length }))).await;
                let (start, end) = (start.min(size), (start + length).min(size));
                let [start, end] = [start, end].map(|at| usize::try_from(at).unwrap());
                assert_eq!(part, all[start..end], "{start}+{length}");
            }
        }
    }
}

#[tokio::test]
async fn it_comes_in_again_as_it_went_out() {
    let stage = Stage::new();
    let digest = stage.ingest(&exported("app", 2).bytes()).await.unwrap().root.digest;
    let tar = whole(plan(&stage, digest, Form::Oci).await.read(None)).await;
    let other = Stage::new();
    assert_eq!(other.ingest(&tar).await.unwrap().root.digest, digest);
    let again = whole(plan(&other, digest, Form::Oci).await.read(None)).await;
    assert!(again == tar, "another tar of the same image");
}

#[tokio::test]
async fn skopeo_and_umoci_read_it() {
    let stage = Stage::new();
    let digest = stage.ingest(&exported("app", 2).bytes()).await.unwrap().root.digest;
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).display().to_string();
    let tar = whole(plan(&stage, digest, Form::Oci).await.read(None)).await;
    std::fs::write(path("oci.tar"), &tar).unwrap();
    let archive = format!("oci-archive:{}:1", path("oci.tar"));
    let raw = skopeo().run(&["inspect", "--raw", &archive]);
    assert_eq!(Digest::of(raw.as_bytes()), digest);
    skopeo().run(&["copy", "--all", &archive, &format!("dir:{}", path("copied"))]);
    std::fs::create_dir(path("layout")).unwrap();
    tar::Archive::new(&tar[..]).unpack(path("layout")).unwrap();
    let listed = umoci().run(&["list", "--layout", &path("layout")]);
    assert_eq!(listed.lines().collect::<Vec<_>>(), ["1", "main"]);
    let docker = whole(plan(&stage, digest, Form::Docker).await.read(None)).await;
    std::fs::write(path("docker.tar"), &docker).unwrap();
    let archive = format!("docker-archive:{}:local/app:1", path("docker.tar"));
    let config = skopeo().run(&["inspect", "--config", &archive]);
    assert!(config.contains("\"amd64\""), "{config}");
}

#[tokio::test]
async fn a_docker_tar_is_of_one_platform() {
    let stage = Stage::new();
    let foreign = ["s390x", "riscv64"].map(|name| image_for(name, 1, name));
    let entry = |at: usize, architecture: &str| {
        let mut entry = foreign[at].entry(None);
        entry["platform"] = serde_json::json!({"os": "linux", "architecture": architecture});
        entry
    };
    let both = index(&[entry(0, "s390x"), entry(1, "riscv64")]);
    let tar = foreign[1].onto(foreign[0].onto(crate::tars::Tar::default())).json(&both);
    let top = crate::tars::of(kiln_registry::manifest::media::OCI_INDEX, &both);
    let built = stage.ingest(&tar.layout(&index(&[top])).bytes()).await.unwrap();
    let refused = stage.images.plan_build(&maker(), built.root.digest, Form::Docker, &[]).await;
    let OperateError::NoPlatform { found, .. } = refused.unwrap_err() else { panic!("another") };
    assert_eq!(found, ["linux/riscv64", "linux/s390x"]);
    plan(&stage, built.root.digest, Form::Oci).await;
    // Of a single one there is nothing to choose.
    let only = foreign[0].layout(None).bytes();
    let built = stage.ingest(&only).await.unwrap();
    plan(&stage, built.root.digest, Form::Docker).await;
}

#[tokio::test]
async fn what_is_forgotten_meanwhile_breaks_off() {
    let stage = Stage::new();
    let digest = stage.ingest(&exported("app", 2).bytes()).await.unwrap().root.digest;
    let tar = plan(&stage, digest, Form::Oci).await;
    stage.images.forget_build(&maker()).await.unwrap();
    let error = tar.digest().await.unwrap_err();
    assert!(error.to_string().contains("was removed meanwhile"), "{error}");
    let names = [];
    let gone = stage.images.plan_build(&maker(), digest, Form::Oci, &names).await.unwrap_err();
    assert!(matches!(gone, OperateError::WentAway { .. }), "{gone}");
}
