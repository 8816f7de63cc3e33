//! `kiln run --detach`.

use kiln_proto::v1;

use crate::{daemon::Daemon, output};

pub(super) async fn run(
    daemon: &Daemon,
    request: v1::CreateJobRequest,
    json: bool,
) -> anyhow::Result<u8> {
    let job = daemon.create(request).await?;
    if json {
        output::print_json(&job)?;
    } else {
        output::print(format!("{}\n", job.id).as_bytes())?;
    }
    Ok(0)
}
