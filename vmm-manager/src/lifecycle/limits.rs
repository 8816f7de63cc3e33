//! How long each phase of a job may take before its guest counts as silent.

use std::time::Duration;

/// Generous, because emulated guests on a loaded host are slow; bounded, because a guest is hostile.
#[derive(Clone, Copy, Debug)]
pub struct PhaseLimits {
    pub create: Duration,
    /// From the first instruction to the agent's open port.
    pub boot: Duration,
    pub hello: Duration,
    /// From the hello until the client that announced itself is there.
    pub attach: Duration,
    /// From the command's request to its start.
    pub exec: Duration,
    /// What the guest may take beyond a command's own limit to end it and say so.
    pub overrun: Duration,
    /// Between SIGTERM and SIGKILL for a cancelled command.
    pub grace: Duration,
    /// Between SIGKILL and the end of the VM.
    pub kill: Duration,
}

impl Default for PhaseLimits {
    fn default() -> Self {
        Self {
            create: Duration::from_secs(30),
            boot: Duration::from_secs(180),
            hello: Duration::from_secs(60),
            attach: Duration::from_secs(60),
            exec: Duration::from_secs(60),
            overrun: Duration::from_secs(30),
            grace: Duration::from_secs(10),
            kill: Duration::from_secs(5),
        }
    }
}
