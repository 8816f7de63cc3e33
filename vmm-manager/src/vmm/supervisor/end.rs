//! How a supervised machine ended, before its driver says what that means.

use kiln_shim::ExitRecord;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SupervisedEnd {
    /// The supervisor saw it.
    Ended(ExitRecord),
    /// The supervisor died first, and the programs with it.
    Lost {
        /// It was we who killed it, since it did not answer.
        killed: bool,
    },
}
