//! Between the guest's steps and the ssh agent of a build's client.
//!
//! The guest's stream is there for as long as a client serves, since a connection in the guest with
//! nobody behind it is closed at once; another client gets another stream.

use std::{convert::Infallible, time::Duration};

use crate::{
    build::ssh::SshEnd,
    guest::{Guest, GuestError, SshRelay},
    job::Build,
    store::JobHandle,
};

/// For the agent to take a stream.
const OPEN: Duration = Duration::from_secs(30);

/// Serves one client after the other. Never returns; drop it with the build.
pub(in crate::lifecycle) async fn serve_ssh(
    job: &JobHandle,
    guest: &Guest,
    build: &Build,
) -> Infallible {
    let relayed = build.ssh.iter().filter(|source| !source.key);
    let ids: Vec<_> = relayed.map(|source| source.id.clone()).collect();
    if ids.is_empty() {
        return std::future::pending().await;
    }
    let mut client = job.ssh().arrival().await;
    loop {
        tokio::select! {
            relayed = relay(guest, ids.clone(), &mut client) => {
                if let Err(error) = relayed {
                    tracing::warn!(job = %job.id(), %error, "an ssh agent is relayed no longer");
                }
                // The client hears that its stream is over.
                drop(client);
                client = job.ssh().arrival().await;
            }
            next = job.ssh().arrival() => client = next,
        }
    }
}

/// Until one of the two has gone.
async fn relay(guest: &Guest, ids: Vec<String>, client: &mut SshEnd) -> Result<(), GuestError> {
    let mut relay: SshRelay = guest.relay_ssh(ids, OPEN).await?;
    loop {
        tokio::select! {
            said = relay.next() => {
                let Some(frame) = said? else { return Ok(()) };
                if client.other.send(frame).await.is_err() {
                    return Ok(());
                }
            }
            answer = client.frames.recv() => {
                let Some(frame) = answer else { return Ok(()) };
                if let Some(forwarded) = relay.forwarded(frame) {
                    forwarded.send().await;
                }
            }
        }
    }
}
