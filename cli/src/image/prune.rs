//! `kiln image prune`.

use crate::{
    args::PruneArguments, daemon::Daemon, display::size, output, progress::Progress, record::Pruned,
};

pub(super) async fn run(daemon: &Daemon, arguments: PruneArguments) -> anyhow::Result<u8> {
    let PruneArguments { mirrored, json } = arguments;
    let progress = Progress::start(json);
    progress.say("looking for what nothing refers to");
    let pruned = tokio::select! {
        pruned = daemon.prune_images(mirrored) => pruned?,
        interrupted = crate::run::interrupted() => return interrupted,
    };
    progress.clear();
    if json {
        output::print_json(&pruned)?;
    } else {
        let Pruned { images, blobs, bytes } = pruned;
        let line = format!("images {images}, blobs {blobs}, {} given back\n", size(bytes));
        output::print(line.as_bytes())?;
    }
    Ok(0)
}
