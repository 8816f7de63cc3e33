//! The system calls that a program may make.
//!
//! A list of what is allowed; all else is answered by `EPERM`, as if the kernel did not permit it.
//! Some calls are answered by `ENOSYS`, as by a kernel that does not have them: their callers then
//! do without. Calls of another architecture's table end the process.
//!
//! The filter is there before the program's first instruction, so each of its threads has it; what a
//! VMM filters itself comes on top.

mod calls;
mod cloud_hypervisor;
mod everywhere;
mod gateway;
mod program;
mod qemu;
mod vhost_device_vsock;

use std::io;

use libc::sock_filter;

use self::calls::Calls;
use crate::Profile;

#[derive(Debug)]
pub(crate) struct Filter {
    program: Vec<sock_filter>,
}

impl Filter {
    pub(crate) fn of(profile: Profile) -> Self {
        Self { program: program::compile(&calls_of(profile)) }
    }

    /// Upon this process and all that it starts; it must have given up new privileges. Neither
    /// allocates nor locks.
    pub(crate) fn obey(&self) -> io::Result<()> {
        let program = libc::sock_fprog {
            len: self.program.len().try_into().map_err(|_| io::ErrorKind::InvalidInput)?,
            filter: self.program.as_ptr().cast_mut(),
        };
        // SAFETY: the kernel copies the instructions, which live across the call.
        let set = unsafe {
            let mode = libc::SECCOMP_SET_MODE_FILTER;
            libc::syscall(libc::SYS_seccomp, mode, 0, &raw const program)
        };
        if set == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }
}

fn calls_of(profile: Profile) -> Calls {
    let mut calls = everywhere::calls();
    match profile {
        Profile::CloudHypervisor => cloud_hypervisor::add(&mut calls),
        Profile::Gateway => gateway::add(&mut calls),
        Profile::Qemu => qemu::add(&mut calls),
        Profile::VhostDeviceVsock => vhost_device_vsock::add(&mut calls),
    }
    calls
}
