//! A TAP that was made elsewhere, handed to a VMM.

use std::{fs::File, io, os::fd::OwnedFd, thread};

use kiln_vmm_manager::vmm::{Network, VmSpec, Vmm as _, VmmError, null_guest::Errand};
use rustix::{
    ioctl::{Setter, ioctl},
    thread::{UnshareFlags, unshare_unsafe},
};

use crate::{
    given::{
        behaviour,
        network::{Given, HELPED},
    },
    stage::{INSTANCE, Stage, everybody, gone, within},
};

const TUNSETIFF: u32 = 0x4004_54ca;
const IFF_TAP: i16 = 0x2;
const IFF_NO_PI: i16 = 0x1000;
const IFF_VNET_HDR: i16 = 0x4000;

/// Of `struct ifreq`: the name, and what is used of the union.
#[repr(C)]
struct Request {
    name: [u8; 16],
    flags: i16,
    rest: [u8; 22],
}

/// A TAP in a network namespace of its own, which lasts as long as the TAP.
fn tap() -> OwnedFd {
    let made = thread::spawn(|| {
        // SAFETY: this thread alone is in the new namespace, and ends in a moment.
        unsafe { unshare_unsafe(UnshareFlags::NEWNET) }.unwrap();
        let tap = File::options().read(true).write(true).open("/dev/net/tun").unwrap();
        let mut name = [0; 16];
        name[..5].copy_from_slice(b"null0");
        let request = Request { name, flags: IFF_TAP | IFF_NO_PI | IFF_VNET_HDR, rest: [0; 22] };
        // SAFETY: TUNSETIFF reads a `struct ifreq`, which this is.
        unsafe { ioctl(&tap, Setter::<{ TUNSETIFF }, Request>::new(request)) }.unwrap();
        OwnedFd::from(tap)
    });
    made.join().unwrap()
}

fn network(id: &str, last: u8) -> Network {
    Network { id: id.to_owned(), mac: [0x02, 0, 0, 0, 0, last], tap: tap() }
}

/// How many TAPs a process has open.
fn taps(pid: u32) -> usize {
    let directory = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
    let is_tap = |entry: &io::Result<std::fs::DirEntry>| {
        let link = std::fs::read_link(entry.as_ref().unwrap().path()).unwrap_or_default();
        link.as_os_str() == "/dev/net/tun"
    };
    directory.filter(is_tap).count()
}

pub(crate) async fn a_network_is_handed_over() {
    let stage = Stage::new().await;
    let spec = stage.spec(Errand::Halt);
    let directory = spec.directory.clone();
    let machine = within(stage.driver.create(spec)).await.unwrap();
    let everybody = everybody(&directory);
    let pid = machine.processes()[0];
    // Between create and boot, then while it runs.
    machine.add_network(network("net0", 1)).await.unwrap();
    assert!(taps(pid) > 0);
    machine.boot().await.unwrap();
    let before = taps(pid);
    machine.add_network(network("net1", 2)).await.unwrap();
    assert!(taps(pid) > before);
    // What is no TAP is refused.
    let null = Network { tap: File::open("/dev/null").unwrap().into(), ..network("net2", 3) };
    let error = machine.add_network(null).await.unwrap_err();
    assert!(matches!(error, VmmError::Refused { command: "vm.add-net", .. }), "{error}");
    machine.leave();
    let machine = within(stage.driver.adopt(&directory, INSTANCE)).await.unwrap();
    let counters = machine.counters().await.unwrap();
    assert!(counters.contains_key("net1.rx_bytes"), "{counters:?}");
    machine.kill().await;
    gone(&everybody).await;
}

/// A machine that has one, but for its start; `None` where this process may not make users.
async fn networked(stage: &Stage) -> Option<(VmSpec, Given)> {
    let mut spec = stage.spec(Errand::Halt);
    let Some(user) = spec.user.clone() else {
        println!("not run: a gateway's user is root's to make");
        return None;
    };
    let given = Given::new(&stage.path(""));
    spec.network = Some(given.network(&spec.directory, &user).await);
    Some((spec, given))
}

pub(crate) async fn a_machine_has_a_gateway() {
    let stage = Stage::with(HELPED).await;
    let Some((spec, given)) = networked(&stage).await else { return };
    within(behaviour::a_machine_has_its_network(&stage.driver, spec, &given)).await;
}

pub(crate) async fn a_machine_without_its_gateway_is_not_made() {
    let stage = Stage::with(HELPED).await;
    let Some((spec, _given)) = networked(&stage).await else { return };
    within(behaviour::what_cannot_be_a_gateway_is_an_error(&stage.driver, spec)).await;
}

pub(crate) async fn a_network_is_the_helpers_to_give() {
    let stage = Stage::new().await;
    let Some((spec, _given)) = networked(&stage).await else { return };
    within(behaviour::a_network_is_the_helpers_to_give(&stage.driver, spec)).await;
}
