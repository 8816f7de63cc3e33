//! Whether kilnd comes to a program once it has become its user.

use std::{
    env,
    ffi::OsStr,
    io,
    path::{Path, PathBuf},
    thread,
};

use kiln_shim::privileges::Keeper;
use rustix::{
    fs::{Access, Gid, Uid, access},
    thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid},
};

/// Tries as `keeper`, who has no group but its own, whether `program` can be read and executed. One
/// that is nowhere is somebody else's to tell of.
pub(super) fn may_run(program: &Path, keeper: Keeper) -> Result<(), (PathBuf, io::Error)> {
    let path = env::var_os("PATH").unwrap_or_default();
    let Some(program) = located(program, &path) else { return Ok(()) };
    let tried = program.clone();
    // The kernel has credentials for each thread, and this one's end with it.
    let attempt = thread::spawn(move || {
        let (user, group) = (Uid::from_raw(keeper.uid), Gid::from_raw(keeper.gid));
        set_thread_groups(&[])?;
        set_thread_res_gid(group, group, group)?;
        set_thread_res_uid(user, user, user)?;
        access(&tried, Access::READ_OK | Access::EXEC_OK)
    });
    match attempt.join() {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err((program, error.into())),
        Err(_) => Err((program, io::ErrorKind::Other.into())),
    }
}

/// As a shell finds it.
fn located(program: &Path, path: &OsStr) -> Option<PathBuf> {
    if program.components().count() > 1 {
        return program.exists().then(|| program.to_owned());
    }
    env::split_paths(path).map(|directory| directory.join(program)).find(|file| file.is_file())
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt as _};

    use super::*;

    const KEEPER: Keeper = Keeper { uid: 64_999, gid: 64_999 };

    #[test]
    fn what_lies_in_a_closed_directory_is_out_of_reach() {
        if !rustix::process::geteuid().is_root() {
            // Only root becomes somebody else.
            assert!(may_run("/bin/true".as_ref(), KEEPER).is_err());
            return;
        }
        let directory = tempfile::tempdir_in("/tmp").unwrap();
        let open = |mode| fs::set_permissions(directory.path(), fs::Permissions::from_mode(mode));
        let program = directory.path().join("program");
        fs::copy("/bin/true", &program).unwrap();
        open(0o755).unwrap();
        may_run(&program, KEEPER).unwrap();
        open(0o700).unwrap();
        let (path, error) = may_run(&program, KEEPER).unwrap_err();
        assert_eq!((path, error.kind()), (program, io::ErrorKind::PermissionDenied));
        // What was tried stayed with who tried it.
        assert!(rustix::process::geteuid().is_root() && fs::read("/etc/shadow").is_ok());
    }

    #[test]
    fn names_are_looked_up_as_shells_do() {
        assert_eq!(located("sh".as_ref(), "/nowhere:/bin".as_ref()), Some("/bin/sh".into()));
        assert_eq!(located("sh".as_ref(), "/nowhere".as_ref()), None);
        assert_eq!(located("/nowhere/sh".as_ref(), "/bin".as_ref()), None);
        may_run("/nowhere/sh".as_ref(), KEEPER).unwrap();
    }
}
