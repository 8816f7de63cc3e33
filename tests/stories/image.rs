//! Guest images that are not what they must be.

use std::{fs, path::Path, time::Duration};

use anyhow::Context as _;
use kiln_tests::{Stage, Story, stories};
use serde_json::Value;
use tokio::process::Command;

pub(crate) fn stories() -> Vec<Story> {
    stories![
        a_wrong_guest_image_is_refused.virtual_cpus(0),
        built_twice_it_has_one_digest.virtual_cpus(0).limit(Duration::from_secs(1800)).unless(
            |settings| match (settings.full, &settings.image_builder) {
                (false, _) => Some("runs with --full"),
                (true, None) =>
                    Some("KILN_IMAGE_BUILDER and KILN_AGENT do not say what builds one"),
                (true, Some(_)) => None,
            }
        ),
    ]
}

async fn built_twice_it_has_one_digest(stage: &Stage) -> anyhow::Result<()> {
    let (builder, agent) = stage.settings().image_builder.as_ref().context("no builder")?;
    let mut build = Command::new(builder);
    build.args(["build", "--verify-reproducible", "--agent"]).arg(agent);
    build.arg("--output").arg(stage.directory().join("image"));
    let built = build.kill_on_drop(true).output().await?;
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    Ok(())
}

/// How to spoil an image.
type Spoil = fn(&Path, &mut Value) -> anyhow::Result<()>;

/// With what the refusal must name.
const SPOILT: [(&str, Spoil); 9] = [
    ("no guest image", |image, _| Ok(fs::remove_file(image.join("manifest.json"))?)),
    ("manifest.json", |image, _| Ok(fs::write(image.join("manifest.json"), "{\"format\":")?)),
    ("format", |_, manifest| set(manifest, "/format", 999.into())),
    ("architecture", |_, manifest| set(manifest, "/architecture", "z80".into())),
    ("root", |_, manifest| set(manifest, "/root/sha256", "sha256:beef".into())),
    ("missing", |image, _| Ok(fs::remove_file(image.join("initramfs.cpio"))?)),
    ("initramfs.cpio", |image, _| Ok(fs::write(image.join("initramfs.cpio"), "short")?)),
    ("root", |_, manifest| set(manifest, "/root/file", "../root.ext4".into())),
    ("surprise", |_, manifest| {
        manifest.as_object_mut().context("no object")?.insert("surprise".into(), true.into());
        Ok(())
    }),
];

async fn a_wrong_guest_image_is_refused(stage: &Stage) -> anyhow::Result<()> {
    let nowhere = stage.directory().join("nowhere");
    let said = stage.host().guest_image(&nowhere).is_refused().await?;
    assert!(said.contains("nowhere"), "{said}");
    for (number, (named, spoil)) in SPOILT.iter().enumerate() {
        let image = stage.directory().join(format!("image{number}"));
        let mut manifest = hollow(&stage.settings().guest_image, &image)?;
        spoil(&image, &mut manifest)?;
        let path = image.join("manifest.json");
        if path.exists() && fs::metadata(&path)?.len() == 0 {
            fs::write(&path, serde_json::to_vec(&manifest)?)?;
        }
        let said = stage.host().guest_image(&image).is_refused().await?;
        let lower = said.to_lowercase();
        assert!(lower.contains(named), "case {number}: {named} is not named: {said}");
        assert!(!said.contains("panicked"), "case {number}: {said}");
    }
    Ok(())
}

/// An image of the right sizes, with nothing in its files, and its manifest yet to be written.
fn hollow(real: &Path, image: &Path) -> anyhow::Result<Value> {
    fs::create_dir(image)?;
    let manifest: Value = serde_json::from_slice(&fs::read(real.join("manifest.json"))?)?;
    for part in ["kernel", "initramfs", "root", "tools"] {
        let name = manifest[part]["file"].as_str().context("a file without a name")?;
        let size = fs::metadata(real.join(name))?.len();
        fs::File::create(image.join(name))?.set_len(size)?;
    }
    fs::File::create(image.join("manifest.json"))?;
    Ok(manifest)
}

fn set(manifest: &mut Value, place: &str, value: Value) -> anyhow::Result<()> {
    *manifest.pointer_mut(place).with_context(|| format!("no {place} in the manifest"))? = value;
    Ok(())
}
