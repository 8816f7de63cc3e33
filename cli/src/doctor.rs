//! `kiln doctor`: becomes `kilnd doctor`, which knows this host.

use std::{
    env,
    ffi::OsStr,
    fs,
    os::unix::{fs::PermissionsExt as _, process::CommandExt as _},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, anyhow};

use crate::args::DoctorArguments;

const KILND: &str = "kilnd";
const SOCKET: &str = "--socket";

/// Comes back only when there is no kilnd to become.
pub(crate) fn run(socket: &Path, arguments: DoctorArguments) -> anyhow::Result<u8> {
    let DoctorArguments { json, kilnd, flags } = arguments;
    let kilnd = match kilnd {
        Some(program) => program,
        None => find(env::current_exe().ok().as_deref(), env::var_os("PATH").as_deref()).context(
            "there is no kilnd beside this program, and none on PATH: name it with --kilnd",
        )?,
    };
    let mut command = Command::new(&kilnd);
    command.arg("doctor");
    if json {
        command.arg("--json");
    }
    let names_socket = |flag: &OsStr| flag.as_encoded_bytes().starts_with(SOCKET.as_bytes());
    if !flags.iter().any(|flag| names_socket(flag)) {
        command.arg(SOCKET).arg(socket);
    }
    let error = command.args(flags).exec();
    Err(anyhow!(error).context(format!("cannot run {}", kilnd.display())))
}

/// Beside `this` program, for they are installed together, or in a directory of `path`.
fn find(this: Option<&Path>, path: Option<&OsStr>) -> Option<PathBuf> {
    let beside = this.map(|this| this.with_file_name(KILND));
    let listed = path.map(env::split_paths).into_iter().flatten();
    let on_path = listed.map(|directory| directory.join(KILND));
    beside.into_iter().chain(on_path).find(|program| is_program(program))
}

fn is_program(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program(directory: &Path, mode: u32) -> PathBuf {
        fs::create_dir_all(directory).unwrap();
        let path = directory.join(KILND);
        fs::write(&path, "").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    #[test]
    fn the_daemon_beside_comes_before_the_one_on_the_path() {
        let directory = tempfile::tempdir().unwrap();
        let (here, there) = (directory.path().join("here"), directory.path().join("there"));
        let this = here.join("kiln");
        let path = env::join_paths([directory.path(), there.as_path()]).unwrap();
        let found = || find(Some(&this), Some(&path));
        assert_eq!(found(), None);
        let listed = program(&there, 0o755);
        assert_eq!(found(), Some(listed.clone()));
        let beside = program(&here, 0o644);
        assert_eq!(found(), Some(listed), "what cannot be run is none");
        program(&here, 0o755);
        assert_eq!(found(), Some(beside));
        assert_eq!(find(None, None), None);
    }
}
