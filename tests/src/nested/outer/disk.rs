//! The outer host's disk: programs, the guest image, what the run is told, and room.
//!
//! The tree that it is made of is links to the files where they are.

use std::{
    fs::{self, File, Permissions},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, ensure};
use kiln_images::GuestImage;

use super::inside;
use crate::{Settings, nested::place::Parts};

const RUN: &str = include_str!("run.sh");
/// Sparse: what nobody writes costs nothing.
const BYTES: u64 = 12 << 30;

/// Makes it at `path`.
pub(super) fn make(
    parts: &Parts,
    settings: &Settings,
    image: &GuestImage,
    environment: &[(&str, String)],
    path: &Path,
) -> anyhow::Result<()> {
    let tree = path.with_extension("tree");
    let below = |inside: &str| tree.join(inside.trim_start_matches('/'));
    for directory in ["/upper", "/work", inside::PROGRAMS, inside::IMAGE, inside::TEMPORARY] {
        fs::create_dir_all(below(directory))?;
    }
    for program in programs(settings)? {
        let name = program.file_name().context("a program without a name")?;
        link(&program, &below(inside::PROGRAMS).join(name))?;
    }
    // Under a name that does not change with each build.
    link(&std::env::current_exe()?, &below(inside::PROGRAMS).join("stories"))?;
    let manifest = settings.guest_image.join("manifest.json");
    let GuestImage { kernel, initramfs, root, tools, .. } = image;
    for file in [&kernel.path, &initramfs.path, &root.path, &tools.path, &manifest] {
        let name = file.file_name().context("a file without a name")?;
        link(file, &below(inside::IMAGE).join(name))?;
    }
    let root = below(inside::ROOT);
    fs::write(root.join("run.sh"), RUN)?;
    let lines = environment.iter().map(|(name, value)| format!("export {name}='{value}'\n"));
    fs::write(root.join("environment"), lines.collect::<String>())?;

    File::create_new(path)?.set_len(BYTES)?;
    let mut mke2fs = Command::new(&parts.mke2fs);
    mke2fs
        .args(["-q", "-F", "-t", "ext4", "-m", "0", "-O", "^has_journal", "-E"])
        .arg("nodiscard,assume_storage_prezeroed=1,lazy_itable_init=1,root_owner=0:0")
        .args([Path::new("-d"), &tree, path])
        .stdin(Stdio::null());
    let made = mke2fs.output().context("running mke2fs")?;
    ensure!(made.status.success(), "mke2fs: {}", String::from_utf8_lossy(&made.stderr));
    Ok(fs::remove_dir_all(tree)?)
}

/// What is found beside each other here lies beside each other there.
fn programs(settings: &Settings) -> anyhow::Result<Vec<PathBuf>> {
    let mut programs = vec![
        settings.kilnd.clone(),
        settings.cli.clone(),
        settings.kilnd_stub.clone(),
        settings.faults.clone(),
        settings.vhost_device_vsock.clone(),
    ];
    programs.extend(settings.cloud_hypervisor.clone());
    programs.extend(settings.machines.clone());
    // Its own, which kilnd looks for where it is itself.
    let beside = fs::read_dir(settings.kilnd.parent().context("kilnd is nowhere")?)?;
    for entry in beside {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if ["kiln-shim", "kiln-helper", "kiln-gateway", "kiln-probe"].contains(&&*name) {
            programs.push(path);
        }
    }
    Ok(programs)
}

/// A second name, or a copy where that can't be.
fn link(from: &Path, to: &Path) -> anyhow::Result<()> {
    let from = fs::canonicalize(from)?;
    if fs::hard_link(&from, to).is_ok() {
        return Ok(());
    }
    fs::copy(&from, to).with_context(|| format!("copying {}", from.display()))?;
    let mode = fs::metadata(&from)?.permissions().mode();
    Ok(fs::set_permissions(to, Permissions::from_mode(mode))?)
}
