//! What every guest's kernel is told.

/// What the kernel's command line starts with, on every VMM: the serial console; nothing on it but
/// what went wrong; a panic ends the VM at once; and no trial runs of a random number generator
/// that nothing asks for, which take a twentieth of the boot under emulation.
pub(crate) const COMMAND_LINE: &str = if cfg!(target_arch = "aarch64") {
    "console=ttyAMA0 quiet panic=-1 initcall_blacklist=jent_mod_init"
} else {
    "console=ttyS0 quiet panic=-1 initcall_blacklist=jent_mod_init"
};
