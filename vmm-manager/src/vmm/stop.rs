//! The ladder on which a machine comes to its end: power button, shutdown, kill.

use std::time::Duration;

use tokio::time::timeout;

use super::{Machine, VmExit, VmmError};

/// How long each rung may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StopLimits {
    /// For the guest to switch itself off.
    pub power_button: Duration,
    /// For the VMM to end in order.
    pub shut_down: Duration,
    /// For the kernel to take the processes down.
    pub kill: Duration,
}

impl Default for StopLimits {
    fn default() -> Self {
        Self {
            power_button: Duration::from_secs(10),
            shut_down: Duration::from_secs(5),
            kill: Duration::from_secs(10),
        }
    }
}

/// Ends `machine`, asking before insisting. An error means that its processes survived SIGKILL: the
/// host's kernel holds them.
///
/// # Cancel safety
/// Safe: the machine is left on the rung that was reached.
pub async fn stop(machine: &dyn Machine, limits: StopLimits) -> Result<VmExit, VmmError> {
    let StopLimits { power_button, shut_down, kill } = limits;
    let pressed = async {
        machine.press_power_button().await.ok()?;
        Some(machine.wait().await)
    };
    if let Ok(Some(exit)) = timeout(power_button, pressed).await {
        return Ok(exit);
    }
    let ended = async {
        machine.shut_down().await.ok()?;
        Some(machine.wait().await)
    };
    if let Ok(Some(exit)) = timeout(shut_down, ended).await {
        return Ok(exit);
    }
    timeout(kill, machine.kill())
        .await
        .map_err(|_| VmmError::Timeout { command: "kill", limit: kill })
}

#[cfg(test)]
mod tests;
