//! `kiln-gateway`, as a program of a machine: the first to be started, and in the machine's network,
//! in which no other program is.
//!
//! Its control socket is beside those that VMMs make, not among them: a VMM that a guest has taken
//! over cannot put one of its own there.

use std::{io, path::PathBuf};

use kiln_jail::{Access, Jail, JailPath, Profile, inspect};
use kiln_net::control;
use kiln_shim::{Child, ProcessIdentity};

use super::{
    MachineNetwork, VmExit, VmmError,
    supervisor::{ChildExit, Descriptor, Program, Source, Stdout, Supervision},
};

/// In the supervisor's records.
pub(super) const NAME: &str = "gateway";
/// What it takes at most: some megabytes, and the buffers of its connections.
pub(super) const OVERHEAD_BYTES: u64 = 48 << 20;
/// As the helper calls the guest's end of a network.
pub(super) const TAP: &str = "tap";
/// As drivers call the guest's device.
pub(super) const DEVICE: &str = "net0";
const STDERR_BYTES: usize = 8 * 1024;
/// To write down what it has seen last: it gives itself two seconds, for a disk that hangs.
const PARTING_MILLIS: u64 = 2_500;
const RECORD_SLACK_BYTES: u64 = 64 * 1024;

/// As the helper calls them, under the numbers at which a gateway looks for them.
const FOUR: [(&str, i32); 4] = [
    ("dns-udp", control::DNS_UDP_FD),
    ("dns-tcp", control::DNS_TCP_FD),
    ("splice", control::SPLICE_FD),
    ("registry", control::REGISTRY_FD),
];
const SIX: [(&str, i32); 4] = [
    ("dns-udp6", control::DNS_UDP6_FD),
    ("dns-tcp6", control::DNS_TCP6_FD),
    ("splice6", control::SPLICE6_FD),
    ("registry6", control::REGISTRY6_FD),
];

/// Where its program is: beside the one that runs, since they are installed together.
pub fn beside_this_program() -> io::Result<PathBuf> {
    Ok(std::env::current_exe()?.with_file_name("kiln-gateway"))
}

/// For drivers.
pub fn program(network: &MachineNetwork) -> Program {
    let MachineNetwork { tap: _, gateway, config, record, record_bytes, user, six } = network;
    let own = [(config, Access::Read), (record, Access::Write)];
    let own = own.map(|(path, access)| JailPath { path: path.clone(), access });
    let given = FOUR.into_iter().chain(SIX.into_iter().filter(|_| *six));
    let given = given.map(|(name, number)| Descriptor { number, source: given_as(name) });
    let listen = Source::Listen { socket: control::SOCKET.to_owned() };
    Program {
        name: NAME.to_owned(),
        path: gateway.program().to_owned(),
        arguments: vec![config.display().to_string()],
        stdout: Stdout::Null,
        stderr_bytes: STDERR_BYTES,
        descriptors: [Descriptor { number: control::CONTROL_FD, source: listen }]
            .into_iter()
            .chain(given)
            .collect(),
        network: true,
        parting_millis: PARTING_MILLIS,
        jail: Some(Jail {
            user: Some(user.clone()),
            paths: gateway.needs().iter().cloned().chain(own).collect(),
            profile: Profile::Gateway,
            // It keeps to its limit by itself; beyond this one it would be killed.
            file_bytes: record_bytes.saturating_add(RECORD_SLACK_BYTES),
        }),
    }
}

pub(super) fn given_as(name: &str) -> Source {
    Source::Given { name: name.to_owned() }
}

/// As Linux writes the guest's address.
pub(super) fn mac(mac: [u8; 6]) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}

/// The socket of a machine that has a gateway.
pub(super) fn socket(supervision: &Supervision) -> Option<PathBuf> {
    find(supervision).map(|_| supervision.directory().join(control::SOCKET))
}

pub(super) fn process(supervision: &Supervision) -> Option<ProcessIdentity> {
    find(supervision).map(|child| child.process)
}

fn find(supervision: &Supervision) -> Option<&Child> {
    supervision.children().iter().find(|child| child.name == NAME)
}

/// Whether the gateway that was asked for runs as it was: shut in on each of its threads, as its own
/// user, and it alone in the network.
pub(super) fn read_back(
    network: Option<&MachineNetwork>,
    supervision: &Supervision,
) -> Result<(), VmmError> {
    for child in supervision.children() {
        let confinement = child.confinement.as_ref();
        let asked = network.is_some() && child.name == NAME;
        let actual = confinement.is_some_and(|confinement| confinement.network);
        differs(&format!("that {} is in the network", child.name), asked, actual)?;
    }
    let Some(network) = network else { return Ok(()) };
    let gateway = find(supervision);
    differs("that there is a gateway", true, gateway.is_some())?;
    let Some(gateway) = gateway else { return Ok(()) };
    let threads = match inspect(gateway.process.pid) {
        Ok(threads) => threads,
        // It has ended meanwhile, and the machine with it: that is told elsewhere.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(source) => return Err(VmmError::Io { what: "the threads of the gateway", source }),
    };
    match threads.iter().flat_map(|thread| thread.faults(network.user.id)).next() {
        None => Ok(()),
        Some(fault) => Err(VmmError::ReadBack {
            field: "the gateway's jail".to_owned(),
            asked: "whole".to_owned(),
            actual: fault,
        }),
    }
}

fn differs(field: &str, asked: bool, actual: bool) -> Result<(), VmmError> {
    if asked == actual {
        return Ok(());
    }
    let [asked, actual] = [asked, actual].map(|holds| holds.to_string());
    Err(VmmError::ReadBack { field: field.to_owned(), asked, actual })
}

/// What the end of a machine means whose gateway ended first.
pub(super) fn lost(gateway: &ChildExit, shown: &str) -> VmExit {
    let said = if shown.is_empty() { String::new() } else { format!(": {shown}") };
    VmExit::GatewayLost { cause: format!("{}{said}", gateway.end) }
}

#[cfg(test)]
pub(super) mod tests {
    use std::{path::Path, sync::Arc};

    use kiln_jail::JailUser;

    use super::*;
    use crate::vmm::Jailed;

    /// Of a machine whose directory is `/vm`.
    pub(in crate::vmm) fn network(six: bool) -> MachineNetwork {
        let any = std::fs::File::open("/dev/null").unwrap();
        MachineNetwork {
            tap: Arc::new(any.into()),
            gateway: Jailed::bare(Path::new("/usr/bin/kiln-gateway")),
            config: "/vm/egress.json".into(),
            record: "/vm/egress.log".into(),
            record_bytes: 1 << 20,
            user: JailUser { id: 70_000, keeper: 7 },
            six,
        }
    }

    fn check(six: bool, expected: &[(i32, &str)]) {
        let program = program(&network(six));
        let found: Vec<(i32, &str)> = program
            .descriptors
            .iter()
            .map(|Descriptor { number, source }| match source {
                Source::Listen { socket } => (*number, socket.as_str()),
                Source::Given { name } => (*number, name.as_str()),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(found, expected);
        assert!(program.network);
        let jail = program.jail.unwrap();
        assert_eq!((jail.profile, jail.user.unwrap().id), (Profile::Gateway, 70_000));
        let accesses: Vec<_> = jail.paths.iter().map(|given| given.access).collect();
        assert_eq!(accesses, [Access::Read, Access::Write]);
    }

    #[test]
    fn a_gateway_is_given_what_it_listens_on() {
        let four = [
            (100, "gateway.sock"),
            (101, "dns-udp"),
            (102, "dns-tcp"),
            (103, "splice"),
            (107, "registry"),
        ];
        check(false, &four);
        let six = [(104, "dns-udp6"), (105, "dns-tcp6"), (106, "splice6"), (108, "registry6")];
        check(true, &[&four[..], &six[..]].concat());
    }

    #[test]
    fn an_address_is_written_as_linux_does() {
        assert_eq!(mac(kiln_net::plan::GUEST_MAC), "02:4b:69:6c:6e:02");
    }
}
