//! The program, and what came of running it.

use std::{
    ffi::OsStr,
    path::Path,
    process::{Command, Stdio},
};

pub(crate) const PATH: &str = env!("CARGO_BIN_EXE_kiln-rootfs");

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ended {
    /// None if a signal ended it.
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) error: String,
}

/// Of the image, to the output.
pub(crate) fn convert(image: &Path, output: &Path, options: &[&str]) -> Ended {
    run([image.as_os_str(), OsStr::new("--output"), output.as_os_str()]
        .into_iter()
        .chain(options.iter().map(OsStr::new)))
}

/// It has to be there then.
pub(crate) fn converted(image: &Path, output: &Path, options: &[&str]) -> String {
    let Ended { code, out, error } = convert(image, output, options);
    assert_eq!((code, &*error), (Some(0), ""), "{options:?}: {out}");
    out
}

pub(crate) fn run(arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Ended {
    ended(Command::new(PATH).args(arguments))
}

/// Of a program that every system has.
pub(crate) fn ended(command: &mut Command) -> Ended {
    of_debian("coreutils", command)
}

/// Of a program that a package of Debian's brings. Without it there is no verdict.
pub(crate) fn of_debian(package: &str, command: &mut Command) -> Ended {
    let output = command.stdin(Stdio::null()).output();
    let output = output.unwrap_or_else(|error| {
        panic!("{} is needed (Debian: {package}): {error}", command.get_program().display())
    });
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ended { code: output.status.code(), out: text(&output.stdout), error: text(&output.stderr) }
}
