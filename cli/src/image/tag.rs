//! `kiln image tag`.

use crate::{args::TagArguments, daemon::Daemon};

pub(super) async fn run(daemon: &Daemon, arguments: TagArguments) -> anyhow::Result<u8> {
    let TagArguments { source, target } = arguments;
    daemon.tag_image(&source, &target).await?;
    Ok(0)
}
