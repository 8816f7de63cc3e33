//! A VMM that was taken over puts something else where its socket was. The directory is its own; the
//! call is ours, and must not be led anywhere else.

use std::{
    fs, io,
    os::unix::{
        fs::{PermissionsExt as _, symlink},
        net::{UnixDatagram, UnixListener},
    },
    path::{Path, PathBuf},
    process::Command,
};

use kiln_vmm_manager::guest::{GuestError, connect};

use crate::bridge::{LIMIT, RUNS};

/// What a hijacker does in a machine's directory, given a socket elsewhere that answers.
type Hijack = fn(run: &Path, elsewhere: &Path) -> io::Result<()>;

const HIJACKS: [(&str, Hijack); 16] = [
    ("a link to a socket elsewhere", |run, elsewhere| symlink(elsewhere, run.join(NAME))),
    ("a link by way of itself", |run, _| symlink(NAME, run.join(NAME))),
    ("a relative link", |run, _| symlink("../../elsewhere.sock", run.join(NAME))),
    ("a chain of links", |run, elsewhere| {
        symlink(elsewhere, run.join("first"))?;
        symlink("first", run.join(NAME))
    }),
    ("a link through /proc", |run, elsewhere| {
        let through = format!("/proc/self/root{}", elsewhere.display());
        symlink(through, run.join(NAME))
    }),
    ("a link through the working directory", |run, elsewhere| {
        let through = format!("/proc/{}/root{}", std::process::id(), elsewhere.display());
        symlink(through, run.join(NAME))
    }),
    ("a link to nothing", |run, _| symlink("/nonexistent", run.join(NAME))),
    ("a link to a directory", |run, _| symlink("/", run.join(NAME))),
    ("a link that takes the directory's place", |run, elsewhere| {
        let other = elsewhere.with_file_name("other");
        fs::create_dir(&other)?;
        fs::hard_link(elsewhere, other.join(NAME))?;
        fs::remove_dir(run)?;
        symlink(&other, run)
    }),
    ("a directory", |run, _| fs::create_dir(run.join(NAME))),
    ("a file", |run, _| fs::write(run.join(NAME), "OK 1\n")),
    ("a file that cannot be opened", |run, _| {
        fs::write(run.join(NAME), "")?;
        fs::set_permissions(run.join(NAME), fs::Permissions::from_mode(0o0))
    }),
    ("a FIFO", |run, _| Command::new("mkfifo").arg(run.join(NAME)).status().map(drop)),
    ("a socket of another kind", |run, _| UnixDatagram::bind(run.join(NAME)).map(drop)),
    ("a socket at which nobody listens", |run, _| UnixListener::bind(run.join(NAME)).map(drop)),
    ("nothing at all", |_, _| Ok(())),
];

const NAME: &str = "vsock.sock";

#[tokio::test]
async fn a_call_is_not_led_elsewhere() {
    for (what, hijack) in HIJACKS {
        let directory = tempfile::tempdir().expect("a directory");
        let path: PathBuf = directory.path().canonicalize().expect("a path");
        let run = path.join("vm/run");
        fs::create_dir_all(&run).expect("a directory");
        let elsewhere = path.join("elsewhere.sock");
        let decoy = UnixListener::bind(&elsewhere).expect("a socket");
        decoy.set_nonblocking(true).expect("a socket");
        hijack(&run, &elsewhere).expect("a hijack");
        let called = connect(&run.join(NAME), LIMIT / 10, &RUNS).await;
        let told = match called {
            Err(error @ (GuestError::Socket { .. } | GuestError::Silent { .. })) => error,
            Err(other) => panic!("{what}: {other}"),
            Ok(_) => panic!("{what}: there is an agent"),
        };
        assert!(decoy.accept().is_err(), "{what}: somebody else was called: {told}");
    }
}
