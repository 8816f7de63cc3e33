//! What the daemon is told: flags and environment in, a resolved configuration out.

mod doctor;
mod drivers;
mod egress;
mod flags;
mod network;
mod registry;
mod resolved;

pub use self::{
    doctor::DoctorFlags,
    drivers::DriverConfig,
    egress::{CeilingFlag, EgressConfig, EgressFlags, InvalidEgress},
    flags::{AcceleratorChoice, Flags, LimitFlag, LimitedPhase, VmmChoice},
    network::{
        InvalidNetwork, Limited, NetworkConfig, NetworkFlags, NetworkLimitFlag, ResolverFlag,
        Resolvers,
    },
    registry::{InvalidRegistry, ListenFlag, RegistryConfig, RegistryFlags},
    resolved::{BudgetConfig, Config, ConfigError, RetentionConfig},
};
