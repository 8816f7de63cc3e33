//! What was added to the machine is taken into use when the host says so.

use kiln_proto::agent::v1::OnlineResponse;
use rustix::io::Errno;
use tonic::Status;

use super::{Greeting, Service};
use crate::{
    offload::offload,
    online::{Online, OnlineError, System},
};

impl Service {
    pub(super) async fn take_into_use(&self) -> Result<OnlineResponse, Status> {
        if self.greeting == Greeting::Checked {
            return Err(Status::unimplemented("the machine is not this agent's"));
        }
        let taken = offload("online", || System::of_this_machine().take_into_use()).await;
        let taken = taken.map_err(|error| Status::resource_exhausted(error.to_string()))?;
        let Online { cpus, memory_blocks, memory_block_bytes } = taken.map_err(refused)?;
        Ok(OnlineResponse { cpus, memory_blocks, memory_block_bytes })
    }
}

fn refused(error: OnlineError) -> Status {
    let message = match std::error::Error::source(&error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    };
    match error {
        OnlineError::Refused { source, .. }
            if source.raw_os_error() == Some(Errno::NOMEM.raw_os_error()) =>
        {
            Status::resource_exhausted(message)
        }
        OnlineError::Refused { .. } | OnlineError::Unreadable { .. } => Status::internal(message),
    }
}
