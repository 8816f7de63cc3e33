//! `kiln boot`: a machine that boots a root filesystem, as if its console was here.
//!
//! ```text
//! flags and file: all looked at ──▶ the file is sent ──▶ create ──▶ follow the console
//!   ──▶ its end, or, with --until-up, up ──▶ cancel ──▶ exit code
//! ```
//! Signals, a kilnd that goes away and a stdout that nobody reads are what they are to `kiln run`.

mod foreground;
mod source;
mod up;

use std::{path::Path, time::Duration};

use kiln_proto::v1::{self, job_spec::Work};

use self::source::Source;
use crate::{
    args::BootArguments,
    daemon::Daemon,
    output,
    progress::Progress,
    rootfs,
    run::{self, Egress, fresh_key},
};

#[derive(Debug, thiserror::Error)]
enum BootError {
    #[error("--init {init}: write the absolute path of a program in it")]
    Init { init: String },
    #[error("--vmm {asked}: this host boots with {vmm} {version} ({accelerator})")]
    Vmm { asked: String, vmm: String, version: String, accelerator: String },
}

pub(crate) async fn run(
    socket: &Path,
    reconnect: Duration,
    arguments: BootArguments,
) -> anyhow::Result<u8> {
    if let Some(init) = arguments.init.as_ref().filter(|init| !init.starts_with('/')) {
        return Err(BootError::Init { init: init.clone() }.into());
    }
    let lockfile = arguments.egress_lock.as_deref();
    let egress = Egress::of(arguments.egress.as_ref(), lockfile, arguments.detach)?;
    let (source, words) = Source::of(&arguments)?;
    let request = request(&arguments, words, &egress)?;
    let daemon = Daemon::connect(socket, reconnect).await?.quietly(arguments.quiet);
    if let Some(asked) = &arguments.vmm {
        check_vmm(&daemon, asked).await?;
    }
    if arguments.detach {
        detach(&daemon, source, request, &arguments).await
    } else {
        Box::pin(foreground::run(daemon, source, request, egress, arguments)).await
    }
}

/// All of a host's machines have one.
async fn check_vmm(daemon: &Daemon, asked: &str) -> anyhow::Result<()> {
    let host = daemon.host().await?;
    if host.vmm == asked {
        return Ok(());
    }
    let (asked, vmm, version) = (asked.to_owned(), host.vmm, host.vmm_version);
    Err(BootError::Vmm { asked, vmm, version, accelerator: host.accelerator }.into())
}

/// But for its source.
fn request(
    arguments: &BootArguments,
    words: &[String],
    egress: &Egress,
) -> anyhow::Result<v1::CreateJobRequest> {
    let boot = v1::BootSpec {
        source: None,
        init: arguments.init.clone().unwrap_or_default(),
        arguments: words.to_vec(),
        probe: rootfs::probe(&arguments.probe),
    };
    Ok(v1::CreateJobRequest {
        project: arguments.project.clone().unwrap_or_default(),
        idempotency_key: match &arguments.idempotency_key {
            Some(key) => key.clone(),
            None => fresh_key()?,
        },
        spec: Some(v1::JobSpec {
            cpus: arguments.cpus.unwrap_or_default(),
            memory_bytes: arguments.memory.unwrap_or_default(),
            disk_bytes: arguments.disk.unwrap_or_default(),
            timeout: rootfs::duration(arguments.timeout, "timeout")?,
            work: Some(Work::Boot(boot)),
            egress: Some(egress.wire()),
            ..v1::JobSpec::default()
        }),
    })
}

async fn detach(
    daemon: &Daemon,
    source: Source,
    request: v1::CreateJobRequest,
    arguments: &BootArguments,
) -> anyhow::Result<u8> {
    let progress = Progress::start(arguments.quiet);
    let request = tokio::select! {
        sent = source.send(daemon, request, &progress) => sent?,
        interrupted = run::interrupted() => return interrupted,
    };
    let job = run::create(daemon, request).await?;
    progress.clear();
    if arguments.json {
        output::print_json(&job)?;
    } else {
        output::print(format!("{}\n", job.id).as_bytes())?;
    }
    Ok(0)
}
