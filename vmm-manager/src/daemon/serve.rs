//! Serving calls, and coming to the end of it.

use std::time::Duration;

use kiln_proto::v1::{
    artifact_service_server::ArtifactServiceServer, build_service_server::BuildServiceServer,
    host_service_server::HostServiceServer, image_service_server::ImageServiceServer,
    job_service_server::JobServiceServer,
};
use tokio::{net::UnixListener, time::timeout};
use tokio_stream::wrappers::UnixListenerStream;
use tokio_util::sync::CancellationToken;
use tonic::transport;

use super::{Shutdown, Stop};
use crate::{
    api::{ArtifactApi, BuildApi, HostApi, ImageApi, JobApi},
    notify::Notifier,
    scheduler::Scheduler,
};

/// How long open calls may go on after the last job has ended.
const CALLS: Duration = Duration::from_secs(5);

/// For running jobs to be ended. Their VMs are gone long before; what may be missing is a disk that
/// takes the record of it.
const ENDING: Duration = Duration::from_secs(120);

/// Of what one client sends ahead on one stream.
const STREAM_WINDOW_BYTES: u32 = 64 * 1024;
/// The library ends a connection whose small frames pile up against half this window. A stream of
/// single bytes, as a slow typist's stdin is, costs it at most 64 KiB ÷ 8 × 248 = 2 MiB of 4 MiB.
const CONNECTION_WINDOW_BYTES: u32 = 8 * 1024 * 1024;

/// Of a request for a build. Its fields are bounded far below, and the answer names the one that is
/// above its bound.
const MOST_BUILD_BYTES: usize = 8 * 1024 * 1024;

/// What is served, and where.
pub(super) struct Server {
    pub(super) listener: UnixListener,
    pub(super) jobs: JobApi,
    pub(super) itself: HostApi,
    pub(super) images: ImageApi,
    pub(super) artifacts: ArtifactApi,
    pub(super) drain_limit: Duration,
}

impl Server {
    /// Serves until the daemon is told to stop, and has stopped as it was told.
    pub(super) async fn until(
        self,
        shutdown: &Shutdown,
        scheduler: &Scheduler,
        notifier: &Notifier,
    ) -> anyhow::Result<()> {
        let Self { listener, jobs, itself, images, artifacts, drain_limit } = self;
        let builds = BuildApi::new(jobs.clone());
        let closing = CancellationToken::new();
        let server = transport::Server::builder()
            .initial_stream_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .add_service(JobServiceServer::new(jobs))
            .add_service(
                BuildServiceServer::new(builds).max_decoding_message_size(MOST_BUILD_BYTES),
            )
            .add_service(HostServiceServer::new(itself))
            .add_service(ImageServiceServer::new(images))
            .add_service(ArtifactServiceServer::new(artifacts))
            .serve_with_incoming_shutdown(
                UnixListenerStream::new(listener),
                closing.clone().cancelled_owned(),
            );
        tokio::pin!(server);
        tokio::select! {
            served = &mut server => return Ok(served?),
            _ = shutdown.at_least(Stop::Drain) => {}
        }
        notifier.stopping();
        tokio::select! {
            served = &mut server => served?,
            () = stop(scheduler, drain_limit, shutdown) => {
                // Whoever waits for a job that has ended hears of it; no new calls come.
                closing.cancel();
                if scheduler.load().running == 0 {
                    let _ = timeout(CALLS, server).await;
                }
            }
        }
        Ok(())
    }
}

/// Drains for as long as it is told to; ends what runs if it is told so meanwhile.
async fn stop(scheduler: &Scheduler, drain_limit: Duration, shutdown: &Shutdown) {
    tracing::info!(limit = ?drain_limit, "stopping: no new jobs, no starts");
    scheduler.drain();
    tokio::select! {
        drained = timeout(drain_limit, scheduler.idle()) => {
            if drained.is_err() {
                left(scheduler);
            }
        }
        stop = shutdown.at_least(Stop::Leave) => if stop == Stop::End {
            end(scheduler).await;
        } else {
            left(scheduler);
        }
    }
}

async fn end(scheduler: &Scheduler) {
    tracing::info!("ending the jobs that run");
    if timeout(ENDING, scheduler.shut_down()).await.is_err() {
        left(scheduler);
    }
}

fn left(scheduler: &Scheduler) {
    let running = scheduler.load().running;
    tracing::warn!(running, "jobs run on, for the next kilnd of this home");
}
