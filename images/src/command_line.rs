//! What every guest's kernel is told.

/// What the kernel's command line starts with, on every VMM: the console; nothing on it but what
/// went wrong; a panic ends the VM at once; and no trial runs of a random number generator that
/// nothing asks for, which take a twentieth of the boot under emulation.
pub(crate) const COMMAND_LINE: &str =
    "console=ttyS0 quiet panic=-1 initcall_blacklist=jent_mod_init";
