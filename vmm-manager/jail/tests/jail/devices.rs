//! Devices in a jail.

use std::path::PathBuf;

use kiln_jail::{Access, JailPath, Profile};

use crate::machine::Machine;

pub(crate) fn a_device_is_its_own() {
    let device = PathBuf::from("/dev/kvm");
    if !device.exists() {
        println!("not run: there is no {}", device.display());
        return;
    }
    for profile in [Profile::CloudHypervisor, Profile::Qemu] {
        let machine = Machine::new();
        let mut jail = machine.jail(profile);
        jail.paths.push(JailPath { path: device.clone(), access: Access::Device });
        let said = machine.start_in(&jail, &["device", "/dev/kvm"]).unwrap().finish();
        assert_eq!(said, "asks its device\tdone\n");
        // And without it: nothing.
        let said = machine.start(profile, &["device", "/dev/kvm"]).finish();
        assert_eq!(said, format!("asks its device\t{}\n", libc::ENOENT));
    }
    // A bridge that was given one could not talk to it.
    let machine = Machine::new();
    let mut jail = machine.jail(Profile::VhostDeviceVsock);
    jail.paths.push(JailPath { path: device, access: Access::Device });
    let said = machine.start_in(&jail, &["device", "/dev/kvm"]).unwrap().finish();
    assert_eq!(said, format!("asks its device\t{}\n", libc::EPERM));
}
