//! What the daemon is told: flags and environment in, a resolved configuration out.

mod flags;
mod resolved;

pub use self::{
    flags::{AcceleratorChoice, Flags, LimitFlag, LimitedPhase},
    resolved::{BudgetConfig, Config, ConfigError, RetentionConfig},
};
