//! The daemon: everything put together, from start to shutdown.
//!
//! Start: home → guest image → VMM → socket. The socket comes last, so whoever can connect is
//! served. Shutdown runs the other way round: no new calls, every job ended, everything given back.

mod choose;
mod socket;

use std::{io, sync::Arc, time::Duration};

use kiln_images::GuestImage;
use kiln_proto::v1::job_service_server::JobServiceServer;
use tokio::{net::UnixListener, time::sleep};
use tokio_stream::wrappers::UnixListenerStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;

use self::socket::ListeningSocket;
use crate::{
    admission::Capacity,
    api::JobApi,
    config::Config,
    home::Home,
    lifecycle::{Host, PhaseLimits},
    log::LogQuota,
    scheduler::Scheduler,
    store::Store,
    vmm::Vmm as _,
};

/// How long open calls may go on after the last job has ended.
const CALLS: Duration = Duration::from_secs(5);

/// Of what one client sends ahead on one stream.
const STREAM_WINDOW_BYTES: u32 = 64 * 1024;
/// The library ends a connection whose small frames pile up against half this window. A stream of
/// single bytes, as a slow typist's stdin is, costs it at most 64 KiB ÷ 8 × 248 = 2 MiB of 4 MiB.
const CONNECTION_WINDOW_BYTES: u32 = 8 * 1024 * 1024;

/// Runs until `shutdown` is cancelled.
pub async fn run(config: Config, shutdown: CancellationToken) -> anyhow::Result<()> {
    let home = Home::open(&config.home)?;
    let image = opened(&config).await?;
    let vmm = choose::vmm(&config, &home, &image).await?;
    let identity = vmm.identity().clone();
    let capacity = Capacity {
        cpus: config.cpus,
        memory_bytes: config.memory_bytes,
        disk_bytes: free_bytes(&home)?,
    };
    let instance = home.instance().to_owned();
    let limits = PhaseLimits::default();
    let host = Arc::new(Host { home, image, vmm: Box::new(vmm), limits });
    let store = Arc::new(Store::new(config.keep_jobs));
    let scheduler = Arc::new(Scheduler::new(
        host,
        Arc::clone(&store),
        capacity,
        config.max_vms,
        LogQuota::default(),
    ));
    let (socket, listener) = ListeningSocket::bind(&config.socket)?;
    tracing::info!(
        instance,
        socket = %config.socket.display(),
        vmm = identity.name,
        version = identity.version,
        accelerator = identity.accelerator,
        "ready"
    );
    serve(listener, JobApi::new(Arc::clone(&scheduler), store), &scheduler, shutdown).await?;
    socket.release();
    tracing::info!("stopped");
    Ok(())
}

async fn serve(
    listener: UnixListener,
    api: JobApi,
    scheduler: &Scheduler,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let closing = CancellationToken::new();
    let server = Server::builder()
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .add_service(JobServiceServer::new(api))
        .serve_with_incoming_shutdown(
            UnixListenerStream::new(listener),
            closing.clone().cancelled_owned(),
        );
    tokio::pin!(server);
    tokio::select! {
        served = &mut server => return Ok(served?),
        () = shutdown.cancelled() => {}
    }
    tracing::info!("stopping: jobs that run are ended");
    // Calls are served on while jobs end, so that whoever waits hears of it; no new ones come.
    closing.cancel();
    let ended = CancellationToken::new();
    let end_jobs = async {
        scheduler.shut_down().await;
        ended.cancel();
    };
    let finish_calls = async {
        let patience = async {
            ended.cancelled().await;
            sleep(CALLS).await;
        };
        tokio::select! {
            served = &mut server => served,
            () = patience => Ok(()),
        }
    };
    let ((), served) = tokio::join!(end_jobs, finish_calls);
    Ok(served?)
}

/// The guest image, found to be what its manifest says: a root that was altered is not booted.
async fn opened(config: &Config) -> anyhow::Result<GuestImage> {
    let image = GuestImage::open(&config.guest_image)?;
    let verify = move || image.verify().map(|()| image);
    Ok(tokio::task::spawn_blocking(verify).await??)
}

fn free_bytes(home: &Home) -> io::Result<u64> {
    let statistics = rustix::fs::statvfs(home.path())?;
    Ok(statistics.f_bavail.saturating_mul(statistics.f_frsize))
}
