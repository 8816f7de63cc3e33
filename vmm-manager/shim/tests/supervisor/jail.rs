//! Programs in a jail, under their supervisor.

use std::path::{Path, PathBuf};

use kiln_jail::{Access, Jail, JailPath, JailUser, LaunchFailure, PathFault, Profile, inspect};
use kiln_shim::{Ask, Program, StartFailure};
use rustix::process::Signal;

use crate::{
    client::Client,
    shim::{Shim, shell, signal},
};

const USER: u32 = 1_899_000_000;
const SLEEP: &str = "/bin/sleep";

/// It sleeps, with what the loader of this host finds for it.
pub(crate) fn sleeper(directory: &Path) -> Program {
    let triple = format!("{}-linux-gnu", std::env::consts::ARCH);
    let mut files = vec![SLEEP.into(), PathBuf::from(format!("/lib/{triple}/libc.so.6"))];
    let loaders = ["/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1"];
    files.extend(loaders.map(PathBuf::from).into_iter().filter(|loader| loader.exists()));
    let files = files.into_iter().map(|path| JailPath { path, access: Access::Execute });
    let sockets = JailPath { path: directory.join("run"), access: Access::Sockets };
    let jail = Jail {
        user: Some(JailUser { id: USER, keeper: USER + 1 }),
        paths: files.chain([sockets]).collect(),
        profile: Profile::VhostDeviceVsock,
        file_bytes: 1 << 20,
    };
    let arguments = vec!["1000".to_owned()];
    Program { path: SLEEP.into(), arguments, jail: Some(jail), ..shell("vmm", "") }
}

#[expect(clippy::print_stdout, reason = "that it did not run is to be seen")]
pub(crate) fn is_root() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        println!("not run: a jail of its own is root's to make");
    }
    root
}

fn start(change: impl FnOnce(&mut Jail)) -> Result<Shim, StartFailure> {
    Shim::leashed(vec![shell("vmm", "")], |order| {
        let mut program = sleeper(&order.directory);
        change(program.jail.as_mut().unwrap());
        order.programs = vec![program];
    })
}

/// A jail with a user of its own is root's to make, and nothing less is started in its place.
fn nobody_else_is_shut_in() {
    assert!(matches!(start(|_| {}), Err(StartFailure::Jail { .. })));
}

#[test]
fn a_program_is_shut_in_and_dies_with_its_supervisor() {
    if !is_root() {
        return nobody_else_is_shut_in();
    }
    for end in [Signal::KILL, Signal::TERM] {
        let shim = start(|_| {}).unwrap();
        let confinement = shim.children[0].confinement.clone().unwrap();
        assert_eq!(confinement.user, Some(USER));
        assert_eq!(shim.record().children, shim.children);
        let threads = inspect(shim.pid("vmm")).unwrap();
        assert_eq!(threads.iter().flat_map(|thread| thread.faults(USER)).next(), None);
        signal(shim.process.pid, end);
        shim.gone();
    }
}

#[test]
fn a_program_in_a_jail_is_ended_as_any_other() {
    if !is_root() {
        return nobody_else_is_shut_in();
    }
    let mut shim = start(|_| {}).unwrap();
    std::io::Write::write_all(&mut shim.leash.take().unwrap(), kiln_shim::COMMITTED).unwrap();
    let exit = Client::connect(&shim).end(Ask::Kill);
    assert_eq!(exit.child("vmm").unwrap().end, kiln_shim::End::Signal(9));
}

#[test]
fn a_jail_that_cannot_be_says_why() {
    if !is_root() {
        return nobody_else_is_shut_in();
    }
    let path = PathBuf::from("/dev/nonexistent-kvm");
    let device = JailPath { path: path.clone(), access: Access::Device };
    let failure = start(|jail| jail.paths.push(device)).err().unwrap();
    let fault = LaunchFailure::Path { path, fault: PathFault::Absent };
    assert_eq!(failure, StartFailure::Jail { program: SLEEP.to_owned(), failure: fault });
    assert_eq!(
        failure.to_string(),
        "/bin/sleep could not be shut in: /dev/nonexistent-kvm cannot be in its jail: \
         it is not there"
    );
}
