//! `kiln run --detach`.

use kiln_proto::v1;

use super::disks::Disks;
use crate::{daemon::Daemon, output, progress::Progress};

pub(super) async fn run(
    daemon: &Daemon,
    request: v1::CreateJobRequest,
    disks: Disks,
    json: bool,
    quiet: bool,
) -> anyhow::Result<u8> {
    let progress = Progress::start(quiet);
    let request = disks.send(daemon, request, &progress).await?;
    let job = super::create(daemon, request).await?;
    progress.clear();
    if json {
        output::print_json(&job)?;
    } else {
        output::print(format!("{}\n", job.id).as_bytes())?;
    }
    Ok(0)
}
