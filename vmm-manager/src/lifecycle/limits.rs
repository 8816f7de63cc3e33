//! How long each phase of a job may take before its guest counts as silent.

use std::time::Duration;

/// Generous, because emulated guests on a loaded host are slow; bounded, because a guest is hostile.
#[derive(Clone, Copy, Debug)]
pub struct PhaseLimits {
    pub create: Duration,
    /// From the first instruction to the agent's open port.
    pub boot: Duration,
    pub hello: Duration,
    /// Until the client that announced itself is there, at first and when it was lost.
    pub attach: Duration,
    /// For an image to be with the host.
    pub fetch: Duration,
    /// For one source to be in the guest.
    pub source: Duration,
    /// For the engine of a build to be ready.
    pub engine: Duration,
    /// From the command's request to its start.
    pub exec: Duration,
    /// For one output to be on its disk.
    pub pack: Duration,
    /// For one output to be read and hashed by the host.
    pub ingest: Duration,
    /// For a build's images to be pushed and named.
    pub publish: Duration,
    /// Between two words of a guest that says how far it is.
    pub silence: Duration,
    /// What the guest may take beyond a command's own limit to end it and say so.
    pub overrun: Duration,
    /// Between SIGTERM and SIGKILL for a cancelled command.
    pub grace: Duration,
    /// Between SIGKILL and the end of the VM.
    pub kill: Duration,
    /// For a change that must be durable before the job goes on.
    pub store: Duration,
}

impl Default for PhaseLimits {
    fn default() -> Self {
        Self {
            create: Duration::from_secs(60),
            boot: Duration::from_secs(180),
            hello: Duration::from_secs(60),
            attach: Duration::from_secs(60),
            fetch: Duration::from_secs(3600),
            source: Duration::from_secs(3600),
            engine: Duration::from_secs(300),
            exec: Duration::from_secs(60),
            pack: Duration::from_secs(3600),
            ingest: Duration::from_secs(3600),
            publish: Duration::from_secs(3600),
            silence: Duration::from_secs(60),
            overrun: Duration::from_secs(30),
            grace: Duration::from_secs(10),
            kill: Duration::from_secs(5),
            store: Duration::from_secs(120),
        }
    }
}
