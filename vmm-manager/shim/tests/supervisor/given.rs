//! Parts of a network, handed over as the helper does it.

use std::{
    fs::{self, File},
    io::{PipeReader, PipeWriter, Read as _, Seek as _, Write as _, pipe},
    os::{
        fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd, RawFd},
        unix::{
            fs::{MetadataExt as _, chown},
            process::CommandExt as _,
        },
    },
    path::Path,
    process::{ChildStdin, Command, Stdio},
};

use kiln_jail::{Jail, Profile, inspect};
use kiln_shim::{Order, Program, Report, Source, StartFailure, supervise};
use rustix::{
    fs::{MemfdFlags, memfd_create},
    io::fcntl_dupfd_cloexec,
    process::Signal,
};
use tempfile::TempDir;

use crate::{
    jail::{is_root, sleeper},
    shim::{descriptor, launch, order, reap, runs, shell, signal, until},
};

const KEEPER: u32 = 64_995;
/// Far from the numbers that the helper has.
const OURS: RawFd = 300;

/// A network without anything in it.
fn network() -> OwnedFd {
    let made = std::thread::spawn(|| {
        // SAFETY: it parts this thread alone from the network of the others.
        assert_eq!(unsafe { libc::unshare(libc::CLONE_NEWNET) }, 0);
        high(File::open("/proc/thread-self/ns/net").unwrap())
    });
    made.join().unwrap()
}

fn high(descriptor: impl AsFd) -> OwnedFd {
    fcntl_dupfd_cloexec(descriptor, OURS).unwrap()
}

/// A pipe whose end tells whether somebody still has a part.
fn part() -> (PipeReader, OwnedFd) {
    let (ours, theirs): (PipeReader, PipeWriter) = pipe().unwrap();
    (ours, high(theirs))
}

/// The directory, whose keeper the supervisor works for, and an order for it.
fn stage(programs: Vec<Program>) -> (TempDir, Order) {
    let directory = tempfile::tempdir().unwrap();
    chown(directory.path(), Some(KEEPER), Some(KEEPER)).unwrap();
    let order = order(directory.path(), programs);
    (directory, order)
}

/// As root, with the order and what is given.
#[expect(clippy::zombie_processes, reason = "it is reaped by its number")]
fn start(
    order: &Order,
    directory: &Path,
    given: &[(&str, BorrowedFd<'_>)],
) -> (Report, ChildStdin) {
    let mut text = File::from(memfd_create(c"order", MemfdFlags::CLOEXEC).unwrap());
    text.write_all(&serde_json::to_vec(order).unwrap()).unwrap();
    text.rewind().unwrap();
    let text = high(text);
    let named = given.iter().map(|(name, part)| format!("{name}={}", part.as_raw_fd()));
    let list = named.collect::<Vec<_>>().join(",");
    let mut command = Command::new(env!("CARGO_BIN_EXE_kiln-shim"));
    command.env_clear().arg(supervise::KEEPER).arg(format!("{KEEPER}:{KEEPER}"));
    if !given.is_empty() {
        command.arg(supervise::GIVE).arg(list);
    }
    let numbers: Vec<RawFd> = given.iter().map(|(_, part)| part.as_raw_fd()).collect();
    let text = text.as_raw_fd();
    // SAFETY: system calls that may be made behind a fork, on descriptors that stay open.
    unsafe {
        command.pre_exec(move || {
            for number in &numbers {
                libc::fcntl(*number, libc::F_SETFD, 0);
            }
            libc::dup2(text, supervise::ORDER);
            Ok(())
        });
    }
    command.current_dir(directory).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut launcher = command.stderr(Stdio::null()).spawn().unwrap();
    let leash = launcher.stdin.take().unwrap();
    let mut said = String::new();
    launcher.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    reap(launcher.id());
    (serde_json::from_str(&said).unwrap(), leash)
}

fn given_as(number: RawFd, name: &str) -> kiln_shim::Descriptor {
    descriptor(number, Source::Given { name: name.to_owned() })
}

/// In the network, with two parts of it.
fn gateway(directory: &Path) -> Program {
    let sleeper = sleeper(directory);
    let jail = sleeper.jail.map(|jail| Jail { profile: Profile::Gateway, ..jail });
    let descriptors = vec![given_as(101, "dns-udp"), given_as(103, "splice")];
    Program { name: "gateway".to_owned(), network: true, jail, descriptors, ..sleeper }
}

/// Where each of a process's descriptors leads, but for the standard ones.
fn descriptors(pid: u32) -> Vec<(RawFd, String)> {
    let entries = fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
    let mut all: Vec<_> = entries
        .filter_map(|entry| {
            let path = entry.unwrap().path();
            let number = path.file_name()?.to_str()?.parse().ok()?;
            Some((number, fs::read_link(path).ok()?.display().to_string()))
        })
        .filter(|(number, _)| *number > 2)
        .collect();
    all.sort();
    all
}

#[test]
fn each_program_is_given_what_it_names_and_nobody_else_keeps_it() {
    if !is_root() {
        return;
    }
    let vmm =
        Program { descriptors: vec![given_as(110, "tap")], ..shell("vmm", "exec sleep 1000") };
    let (directory, mut order) = stage(vec![vmm]);
    order.programs.insert(0, gateway(directory.path()));
    let network = network();
    let inode = File::from(network.try_clone().unwrap()).metadata().unwrap().ino();
    let names = ["tap", "dns-udp", "splice", "dns-tcp"];
    let (mut ends, parts): (Vec<_>, Vec<_>) = names.map(|_| part()).into_iter().unzip();
    let mut given: Vec<_> =
        names.into_iter().zip(&parts).map(|(name, part)| (name, part.as_fd())).collect();
    given.push((supervise::NAMESPACE, network.as_fd()));
    let (report, leash) = start(&order, directory.path(), &given);
    let Report::Ready { process, children } = report else { panic!("{report:?}") };
    let [gateway, vmm] = &children[..] else { panic!("{children:?}") };
    let in_network = |child: &kiln_shim::Child| child.confinement.as_ref().map(|held| held.network);
    assert_eq!((in_network(gateway), in_network(vmm)), (Some(true), None));
    for thread in inspect(gateway.process.pid).unwrap() {
        assert_eq!(thread.network, Some(inode));
    }
    let own = fs::metadata("/proc/self/ns/net").unwrap().ino();
    for pid in [process.pid, vmm.process.pid] {
        assert!(inspect(pid).unwrap().iter().all(|thread| thread.network == Some(own)));
    }
    let numbers = |pid| descriptors(pid).into_iter().map(|(number, _)| number).collect::<Vec<_>>();
    assert_eq!(numbers(gateway.process.pid), [101, 103]);
    until(|| (numbers(vmm.process.pid) == [110]).then_some(()));
    let kept = descriptors(process.pid);
    let parts_of = |to: &str| to == format!("net:[{inode}]");
    assert!(kept.iter().all(|(_, to)| !parts_of(to)), "{kept:?}");
    // What nobody named is closed at once; the rest with the machine.
    drop(given);
    drop(parts);
    let mut nothing = [0; 1];
    assert_eq!(ends.pop().unwrap().read(&mut nothing).unwrap(), 0);
    drop(leash);
    for mut end in ends {
        assert_eq!(end.read(&mut nothing).unwrap(), 0);
    }
    until(|| (!runs(process.pid)).then_some(()));
}

#[test]
fn a_gateway_that_ends_is_the_machines_end() {
    if !is_root() {
        return;
    }
    let (directory, mut order) = stage(vec![shell("vmm", "exec sleep 1000")]);
    order.programs.insert(0, gateway(directory.path()));
    order.programs[0].descriptors.clear();
    let network = network();
    let given = [(supervise::NAMESPACE, network.as_fd())];
    let (report, mut leash) = start(&order, directory.path(), &given);
    let Report::Ready { process, children } = report else { panic!("{report:?}") };
    leash.write_all(kiln_shim::COMMITTED).unwrap();
    signal(children[0].process.pid, Signal::KILL);
    let exit = until(|| kiln_shim::ExitRecord::read(directory.path()).ok());
    assert_eq!((exit.first.as_str(), exit.stopping), ("gateway", false));
    assert!(!runs(children[1].process.pid));
    signal(process.pid, Signal::TERM);
    until(|| (!runs(process.pid)).then_some(()));
}

#[test]
fn what_is_not_given_is_named_and_nothing_runs() {
    let not_given = |name: &str| StartFailure::NotGiven { name: name.to_owned() };
    // Without a helper there is nobody who could give it.
    let vmm = || Program { descriptors: vec![given_as(110, "tap")], ..shell("vmm", "sleep 1000") };
    let directory = tempfile::tempdir().unwrap();
    let text = kiln_shim::line(&order(directory.path(), vec![vmm()]));
    assert_eq!(launch(&text).0, Report::Failed(not_given("tap")));
    assert!(!directory.path().join(kiln_shim::RECORD_FILE).exists());
    if !is_root() {
        return;
    }
    let network = network();
    let (_end, part) = part();
    let (directory, mut order) = stage(vec![vmm()]);
    order.programs.insert(0, gateway(directory.path()));
    let check = |given: &[(&str, BorrowedFd<'_>)], missing: &str| {
        let (report, _leash) = start(&order, directory.path(), given);
        assert_eq!(report, Report::Failed(not_given(missing)));
        assert!(!directory.path().join(kiln_shim::RECORD_FILE).exists());
    };
    let part = part.as_fd();
    check(&[], "dns-udp");
    check(&[("namespace", network.as_fd())], "dns-udp");
    check(&[("dns-udp", part)], "splice");
    let other = high(part);
    check(&[("dns-udp", part), ("splice", other.as_fd())], "namespace");
    let all = [("dns-udp", part), ("splice", other.as_fd()), ("namespace", network.as_fd())];
    check(&all, "tap");
}

#[test]
fn a_program_is_never_given_the_network_of_its_supervisor() {
    if !is_root() {
        return;
    }
    let (directory, mut order) = stage(vec![shell("vmm", "exec sleep 1000")]);
    order.programs.insert(0, gateway(directory.path()));
    order.programs[0].descriptors.clear();
    let own = high(File::open("/proc/self/ns/net").unwrap());
    let given = [(supervise::NAMESPACE, own.as_fd())];
    let (report, _leash) = start(&order, directory.path(), &given);
    let Report::Failed(StartFailure::Jail { failure, .. }) = report else { panic!("{report:?}") };
    assert_eq!(failure.to_string(), "it cannot be given that network");
}
