//! What the daemon is told: flags and environment in, a resolved configuration out.

mod doctor;
mod drivers;
mod flags;
mod resolved;

pub use self::{
    doctor::DoctorFlags,
    drivers::DriverConfig,
    flags::{AcceleratorChoice, Flags, LimitFlag, LimitedPhase, VmmChoice},
    resolved::{BudgetConfig, Config, ConfigError, RetentionConfig},
};
