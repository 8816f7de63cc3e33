//! An `nft` that dies.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use anyhow::Context as _;

use crate::nested::on_path;

/// Makes one in `directory`, beside a copy of the real one.
pub(super) fn nft(directory: &Path, call: usize, after: bool) -> anyhow::Result<PathBuf> {
    let real = on_path("nft").context("there is no nft")?;
    let place = directory.join(format!("nft-{call}-{after}"));
    fs::create_dir_all(&place)?;
    fs::copy(&real, place.join("real"))?;
    let work = if after { "./real \"$@\"; " } else { "" };
    let mortal = place.join("nft");
    // Each call leaves a line, so whoever is last knows how many there were.
    let script = format!(
        "#!/bin/sh\ncd {} || exit 1\necho >> calls\n\
         if [ $(wc -l < calls) -eq {call} ]; then {work}kill -9 $$; fi\nexec ./real \"$@\"\n",
        place.display()
    );
    fs::write(&mortal, script)?;
    fs::set_permissions(&mortal, Permissions::from_mode(0o755))?;
    Ok(mortal)
}

/// What to put before a command that is to have it for the real one.
pub(super) fn entry(mortal: &Path) -> Vec<String> {
    let script = "mount --bind \"$0\" \"$(command -v nft)\" && exec \"$@\"";
    ["unshare", "--mount", "--propagation", "slave", "sh", "-c", script]
        .map(str::to_owned)
        .into_iter()
        .chain([mortal.display().to_string()])
        .collect()
}
