//! A machine that an earlier daemon started.

use std::{io, path::Path, time::Duration};

use super::{
    api::{Api, ApiError},
    asked,
    exit::exit,
    machine::CloudHypervisorMachine,
    read_back,
    start::{API_SOCKET, DRIVER},
};
use crate::vmm::{
    AdoptError,
    supervisor::{Found, Supervision},
};

const CALL_LIMIT: Duration = Duration::from_secs(15);
/// For one that has closed its API to be gone.
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

pub(super) async fn adopt(
    directory: &Path,
    instance: &str,
) -> Result<CloudHypervisorMachine, AdoptError> {
    let supervision = match Supervision::adopt(directory, instance, DRIVER).await? {
        Found::Running(supervision) => supervision,
        Found::Ended(end) => return Err(AdoptError::Ended(exit(&end))),
    };
    let mut hold = Hold(Some(supervision));
    let asked = asked::read(directory)
        .map_err(|source| AdoptError::Io { what: "what the machine was asked to be", source })?;
    let api = Api::new(directory.join(API_SOCKET));
    let error = match api.get("vm.info", CALL_LIMIT).await {
        Ok(info) => {
            if let Err(difference) = read_back::config(&asked, &info["config"]) {
                return Err(AdoptError::Foreign { what: difference.to_string() });
            }
            let booted = info["state"].as_str() != Some("Created");
            return match hold.0.take() {
                Some(supervision) => {
                    Ok(CloudHypervisorMachine::new(supervision, api, asked, booted))
                }
                None => Err(AdoptError::Nothing),
            };
        }
        Err(error) => error,
    };
    // It has closed its API, or forgotten its machine: both come before its end.
    if let (ApiError::Closed(_) | ApiError::Refused { .. }, Some(supervision)) = (&error, &hold.0)
        && let Ok(end) = tokio::time::timeout(PARTING, supervision.wait()).await
    {
        return Err(AdoptError::Ended(exit(&end)));
    }
    Err(AdoptError::Io { what: "the API of the machine", source: io::Error::other(error) })
}
