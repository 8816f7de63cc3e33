//! Waiting for a change to be on the disk before what it announces is done.

use super::limits::PhaseLimits;
use crate::{
    job::{Failure, FailureClass},
    store::Commit,
};

/// An error means that the store could not write for the whole limit: the job does not go on
/// without its record. The change itself stays in the store's row and is written when it can be.
pub(super) async fn durable(commit: Commit, limits: &PhaseLimits) -> Result<(), Failure> {
    let Err(error) = commit.within(limits.store).await else { return Ok(()) };
    let message = format!(
        "kilnd does no work that it could not account for: {error}; see to the disk that holds its \
         home, and submit the job again"
    );
    Err(Failure::new(FailureClass::Infrastructure, message).with("step", "store"))
}
