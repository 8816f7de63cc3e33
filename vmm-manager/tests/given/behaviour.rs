//! What holds of a machine with a network, whichever VMM it is.

use std::{fs, os::unix::fs::MetadataExt as _, path::PathBuf};

use kiln_jail::inspect;
use kiln_shim::ProcessIdentity;
use kiln_vmm_manager::vmm::{JailState, Machine, VmExit, VmSpec, Vmm, VmmError};

use super::network::{Given, say, taps};

/// Of a machine that holds still or runs, `spec` of which was asked.
fn check(machine: &dyn Machine, spec: &VmSpec, given: &Given) {
    let network = spec.network.as_ref().unwrap();
    let gateway = machine.gateway().unwrap();
    assert_eq!(ProcessIdentity::of(gateway.pid).unwrap(), gateway);
    let socket = machine.gateway_socket().unwrap();
    assert_eq!(socket, spec.directory.join("gateway.sock"));
    assert_eq!(say(socket, "open"), "open: 100 101 102 103 104 105 106 107 108");
    assert_eq!(fs::read(&network.record).unwrap(), b"started\n");
    let record = fs::metadata(&network.record).unwrap();
    assert_eq!((record.uid(), record.gid()), (network.user.id, network.user.keeper));
    let pids = machine.processes();
    assert!(pids.contains(&gateway.pid) && pids[0] != gateway.pid, "{pids:?}");
    let vm = spec.user.as_ref().unwrap().id;
    for pid in &pids {
        let is_gateway = *pid == gateway.pid;
        let user = if is_gateway { network.user.id } else { vm };
        for thread in inspect(*pid).unwrap() {
            assert_eq!(thread.faults(user), Vec::<String>::new());
            assert_eq!(thread.network == Some(given.inode()), is_gateway, "{thread:?}");
        }
        let expected: &[&str] = if *pid == pids[0] { &["guest"] } else { &[] };
        let mut taps = taps(*pid);
        taps.dedup();
        assert_eq!(taps, expected, "{pid}");
    }
}

/// Made, adopted, run, and ended by its gateway.
pub(crate) async fn a_machine_has_its_network(vmm: &dyn Vmm, spec: VmSpec, given: &Given) {
    let mut without = spec.clone();
    without.network = None;
    let machine = vmm.create(without).await.unwrap();
    assert_eq!((machine.gateway(), machine.gateway_socket()), (None, None));
    let jail = machine.jail();
    machine.kill().await;

    let machine = vmm.create(spec.clone()).await.unwrap();
    check(machine.as_ref(), &spec, given);
    assert_eq!(machine.jail(), jail);
    assert!(matches!(jail, Some(JailState::Full | JailState::Reduced { .. })));
    let gateway = machine.gateway();
    machine.leave();
    let machine = vmm.adopt(&spec.directory, &spec.instance).await.unwrap();
    assert_eq!(machine.gateway(), gateway);
    check(machine.as_ref(), &spec, given);
    machine.boot().await.unwrap();
    check(machine.as_ref(), &spec, given);
    let everybody = identities(machine.as_ref());
    // As one that gives up by itself.
    assert_eq!(say(machine.gateway_socket().unwrap(), "end 3"), "");
    match machine.wait().await {
        VmExit::GatewayLost { cause } => assert!(cause.contains("code 3"), "{cause}"),
        other => panic!("{other:?}"),
    }
    for process in everybody {
        assert_eq!(process.prove().unwrap().map(|_| process), None);
    }
}

fn identities(machine: &dyn Machine) -> Vec<ProcessIdentity> {
    machine.processes().into_iter().map(|pid| ProcessIdentity::of(pid).unwrap()).collect()
}

/// Whatever is missing, nothing of the machine runs.
pub(crate) async fn what_cannot_be_a_gateway_is_an_error(vmm: &dyn Vmm, spec: VmSpec) {
    let change = |change: &dyn Fn(&mut VmSpec)| {
        let mut spec = spec.clone();
        change(&mut spec);
        spec
    };
    let absent = || PathBuf::from("/nonexistent/egress");
    let bad = [
        change(&|spec| spec.network.as_mut().unwrap().config = absent()),
        change(&|spec| spec.network.as_mut().unwrap().record = absent()),
        // Of the host, and not of the machine.
        change(&|spec| spec.network.as_mut().unwrap().record = "/etc/hostname".into()),
        change(&|spec| spec.network.as_mut().unwrap().user.id = 0),
    ];
    for spec in bad {
        let error = vmm.create(spec).await.err().unwrap();
        assert!(matches!(error, VmmError::Refused { .. }), "{error:?}");
    }
}

/// By a supervisor that no helper has started.
pub(crate) async fn a_network_is_the_helpers_to_give(vmm: &dyn Vmm, spec: VmSpec) {
    match vmm.create(spec).await.err().unwrap() {
        VmmError::Refused { reason, .. } => {
            assert!(reason.contains("was given no dns-udp: only the helper"), "{reason}");
        }
        other => panic!("{other:?}"),
    }
}
