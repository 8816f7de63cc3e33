//! Programs of Debian's that a verdict takes.

use std::process::{Command, Output};

pub(crate) fn of_debian(package: &str, command: &mut Command) -> Output {
    command.output().unwrap_or_else(|error| {
        panic!("{} is needed (Debian: {package}): {error}", command.get_program().display())
    })
}
