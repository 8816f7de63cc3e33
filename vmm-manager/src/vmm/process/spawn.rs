//! Fork and exec, as the keeper does it.

use std::{
    io,
    os::unix::process::CommandExt,
    process::{Child, Command, Stdio},
};

use kiln_shim::Birth;

use super::{Program, Stdout};

/// Starts `program`; must be called by a thread that lives as long as the process (see `keeper`).
pub(super) fn start(program: &Program) -> io::Result<Child> {
    let birth = Birth::new();
    let mut command = Command::new(&program.path);
    command
        .args(&program.arguments)
        .current_dir(&program.directory)
        .env_clear()
        .stdin(Stdio::null())
        .stdout(match program.stdout {
            Stdout::Null => Stdio::null(),
            Stdout::Tail(_) => Stdio::piped(),
        })
        .stderr(Stdio::piped());
    // SAFETY: `apply` is made for the time between fork and exec.
    unsafe { command.pre_exec(move || birth.apply()) };
    command.spawn()
}
