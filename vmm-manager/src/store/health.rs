//! Whether the store can write.

use std::time::SystemTime;

use super::StoreError;

#[derive(Clone, Debug)]
pub enum Health {
    Well,
    /// New jobs are refused, and changes of jobs wait, until a write succeeds.
    Failing {
        since: SystemTime,
        error: StoreError,
        /// Changes that wait to be written.
        waiting: usize,
    },
}

impl Health {
    pub fn is_well(&self) -> bool {
        matches!(self, Self::Well)
    }
}
