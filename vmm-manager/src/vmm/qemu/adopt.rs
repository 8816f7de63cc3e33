//! A machine that an earlier daemon started.

use std::{io, path::Path, time::Duration};

use super::{
    exit::exit,
    machine::QemuMachine,
    monitor::MonitorError,
    start::{DRIVER, connect, negotiate},
};
use crate::vmm::{
    AdoptError,
    supervisor::{Found, Supervision},
};

const CALL_LIMIT: Duration = Duration::from_secs(15);
/// For a QEMU that has closed its monitor to be gone.
const PARTING: Duration = Duration::from_secs(5);

/// Lets go of the machine, unless it was taken out: to adopt is not to end.
struct Hold(Option<Supervision>);

impl Drop for Hold {
    fn drop(&mut self) {
        if let Some(supervision) = self.0.take() {
            supervision.leave();
        }
    }
}

pub(super) async fn adopt(directory: &Path, instance: &str) -> Result<QemuMachine, AdoptError> {
    let supervision = match Supervision::adopt(directory, instance, DRIVER).await? {
        Found::Running(supervision) => supervision,
        Found::Ended(end) => return Err(AdoptError::Ended(exit(&end))),
    };
    let mut hold = Hold(Some(supervision));
    let asked = async {
        let monitor = connect(directory).await?;
        negotiate(&monitor).await?;
        let status = monitor.call("query-status", CALL_LIMIT).await?;
        Ok((monitor, status))
    };
    let error = match asked.await {
        Ok((monitor, status)) => {
            let booted = status["status"].as_str() != Some("prelaunch");
            return match hold.0.take() {
                Some(supervision) => Ok(QemuMachine::new(supervision, monitor, booted)),
                None => Err(AdoptError::Nothing),
            };
        }
        Err(error) => error,
    };
    if let (MonitorError::Closed, Some(supervision)) = (&error, &hold.0)
        && let Ok(end) = tokio::time::timeout(PARTING, supervision.wait()).await
    {
        return Err(AdoptError::Ended(exit(&end)));
    }
    Err(AdoptError::Io { what: "the monitor of the machine", source: io::Error::other(error) })
}
