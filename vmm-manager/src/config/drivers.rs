//! What VMs may be made with.

use std::path::PathBuf;

use super::{AcceleratorChoice, ConfigError, Flags, VmmChoice};
use crate::vmm::{ShimConfig, gateway};

/// Which VMM and accelerator are asked for, and the programs of all drivers.
#[derive(Clone, Debug)]
pub struct DriverConfig {
    pub vmm: VmmChoice,
    pub accelerator: AcceleratorChoice,
    pub allow_emulation: bool,
    pub cloud_hypervisor: PathBuf,
    pub qemu: PathBuf,
    pub vhost_device_vsock: PathBuf,
    pub shim: ShimConfig,
    /// Of the networks of machines; beside this program.
    pub gateway: PathBuf,
}

impl DriverConfig {
    pub fn read(flags: &Flags) -> Result<Self, ConfigError> {
        let Flags {
            vmm,
            accelerator,
            allow_emulation,
            cloud_hypervisor,
            qemu,
            vhost_device_vsock,
            shim,
            ..
        } = flags.clone();
        let shim = match shim {
            Some(program) => ShimConfig { program },
            None => ShimConfig::beside_this_program()
                .map_err(|source| ConfigError::OwnProgram { source })?,
        };
        let gateway =
            gateway::beside_this_program().map_err(|source| ConfigError::OwnProgram { source })?;
        Ok(Self {
            vmm,
            accelerator,
            allow_emulation,
            cloud_hypervisor,
            qemu,
            vhost_device_vsock,
            shim,
            gateway,
        })
    }

    /// Refuses what could be chosen nowhere.
    pub fn check(&self) -> Result<(), ConfigError> {
        match (self.accelerator, self.vmm) {
            (AcceleratorChoice::Tcg, VmmChoice::CloudHypervisor) => Err(ConfigError::KvmAlone),
            (AcceleratorChoice::Tcg, _) if !self.allow_emulation => {
                Err(ConfigError::EmulationNotAllowed)
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    fn check(arguments: &str, expected: Result<(VmmChoice, AcceleratorChoice), &str>) {
        let arguments = ["kilnd"].into_iter().chain(arguments.split_whitespace());
        let flags = Flags::try_parse_from(arguments).unwrap();
        let config = DriverConfig::read(&flags).unwrap();
        match (config.check(), expected) {
            (Ok(()), Ok(expected)) => assert_eq!((config.vmm, config.accelerator), expected),
            (Err(error), Err(expected)) => {
                assert!(error.to_string().contains(expected), "{error}");
            }
            (found, expected) => panic!("{found:?}, not {expected:?}"),
        }
    }

    #[test]
    fn what_could_be_chosen_nowhere_is_refused() {
        check("", Ok((VmmChoice::Auto, AcceleratorChoice::Auto)));
        check("--vmm qemu --accelerator kvm", Ok((VmmChoice::Qemu, AcceleratorChoice::Kvm)));
        let emulated = "--accelerator tcg --allow-emulation";
        check(emulated, Ok((VmmChoice::Auto, AcceleratorChoice::Tcg)));
        check("--accelerator tcg", Err("--allow-emulation"));
        check(
            &format!("{emulated} --vmm cloud-hypervisor"),
            Err("Cloud Hypervisor runs under KVM alone"),
        );
    }
}
