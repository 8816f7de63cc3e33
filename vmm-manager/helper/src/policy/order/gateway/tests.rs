//! Orders of somebody who has taken kilnd over, and wants to be in a network.

use std::{fs, os::fd::AsFd as _, os::unix::fs::symlink, path::PathBuf};

use kiln_jail::{Jail, JailPath, JailUser};
use kiln_shim::{Descriptor, MAJOR, Stdout, privileges::Keeper};
use tempfile::TempDir;

use super::*;
use crate::Uids;

const FIRST: u32 = 1_950_000_000;
const NAMES: [&str; 4] = ["tap", "dns-udp", "dns-tcp", "splice"];

struct Stage {
    policy: Policy,
    home: TempDir,
}

impl Stage {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let root = home.path().canonicalize().unwrap();
        for directory in ["vms/job/run", "vms/other", "bin"] {
            fs::create_dir_all(root.join(directory)).unwrap();
        }
        for file in ["bin/gateway", "bin/vmm", "vms/job/egress.json", "vms/job/egress.log"] {
            fs::write(root.join(file), "").unwrap();
        }
        for link in ["bin/link", "vms/job/gateway"] {
            symlink(root.join("bin/gateway"), root.join(link)).unwrap();
        }
        let policy = Policy {
            instance: "0badcafe".to_owned(),
            home: root.clone(),
            keeper: Keeper { uid: 64_997, gid: 64_996 },
            uids: vec![Uids { first: FIRST, last: FIRST + 1023 }],
            shim: "/bin/true".into(),
            programs: vec![root.join("bin/vmm")],
            gateway: Some(root.join("bin/gateway")),
            network: None,
            networks: PathBuf::new(),
            unjailed: vec!["/bin/sleep".into()],
            readable: Vec::new(),
            socket: "/run/kiln.sock".into(),
        };
        Self { policy, home }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.policy.home.join(name)
    }

    fn program(&self, name: &str, path: PathBuf, user: u32, profile: Profile) -> Program {
        let jail = Jail {
            user: Some(JailUser { id: user, keeper: self.policy.keeper.gid }),
            paths: Vec::new(),
            profile,
            file_bytes: 1 << 20,
        };
        Program {
            name: name.to_owned(),
            path,
            arguments: Vec::new(),
            stdout: Stdout::Null,
            stderr_bytes: 1024,
            descriptors: Vec::new(),
            network: false,
            parting_millis: 0,
            jail: Some(jail),
        }
    }

    /// As a driver gives it.
    fn good(&self) -> Order {
        let given = |number, name: &str| Descriptor {
            number,
            source: Source::Given { name: name.to_owned() },
        };
        let at = |name: &str, access| JailPath { path: self.path(name), access };
        let user = FIRST + 7 + GATEWAY_USERS;
        let mut gateway = self.program("gateway", self.path("bin/gateway"), user, Profile::Gateway);
        gateway.network = true;
        let listen = Source::Listen { socket: "gateway.sock".to_owned() };
        gateway.descriptors = vec![
            Descriptor { number: 100, source: listen },
            given(101, "dns-udp"),
            given(102, "dns-tcp"),
            given(103, "splice"),
        ];
        gateway.jail.as_mut().unwrap().paths = vec![
            at("bin/gateway", Access::Execute),
            at("vms/job/egress.json", Access::Read),
            at("vms/job/egress.log", Access::Write),
        ];
        let bridge =
            self.program("bridge", self.path("bin/vmm"), FIRST + 7, Profile::VhostDeviceVsock);
        let mut vmm = self.program("vmm", self.path("bin/vmm"), FIRST + 7, Profile::Qemu);
        vmm.descriptors = vec![given(103, "tap")];
        Order {
            major: MAJOR,
            instance: self.policy.instance.clone(),
            name: "job".to_owned(),
            driver: "qemu".to_owned(),
            directory: self.path("vms/job"),
            programs: vec![gateway, bridge, vmm],
            main: "vmm".to_owned(),
            cgroups: Vec::new(),
            oom_file: None,
            memory_limit_bytes: None,
            sockets: Vec::new(),
            start_limit_millis: 1000,
            linger_millis: 1000,
        }
    }

    /// Of a job whose network has parts of these names.
    fn ask(&self, order: &Order, names: Option<&[&'static str]>) -> Result<(), Refusal> {
        let any = fs::File::open(self.home.path()).unwrap();
        let given = names.map(|names| Given {
            namespace: any.as_fd(),
            descriptors: names.iter().map(|name| (*name, any.as_fd())).collect(),
        });
        self.policy.order(order, &[], given.as_ref())
    }

    fn refused(&self, what: &str, change: impl FnOnce(&mut Order)) {
        let mut order = self.good();
        change(&mut order);
        assert_ne!(format!("{order:?}"), format!("{:?}", self.good()), "{what}");
        let answer = self.ask(&order, Some(&NAMES));
        assert!(answer.is_err(), "{what}");
    }
}

fn jail(order: &mut Order, program: usize) -> &mut Jail {
    order.programs[program].jail.as_mut().unwrap()
}

fn user(order: &mut Order, program: usize) -> &mut JailUser {
    jail(order, program).user.as_mut().unwrap()
}

fn give(order: &mut Order, program: usize, name: &str) {
    let source = Source::Given { name: name.to_owned() };
    order.programs[program].descriptors.push(Descriptor { number: 140, source });
}

const GATEWAY: usize = 0;
const BRIDGE: usize = 1;
const VMM: usize = 2;

#[test]
fn an_order_as_drivers_give_it_is_followed() {
    let stage = Stage::new();
    stage.ask(&stage.good(), Some(&NAMES)).unwrap();
    // Nor is a machine of a job that has a network in it by that.
    let mut without = stage.good();
    without.programs.remove(GATEWAY);
    without.programs[1].descriptors.clear();
    stage.ask(&without, Some(&NAMES)).unwrap();
    stage.ask(&without, None).unwrap();
    // A Cloud Hypervisor is given its TAP by its API.
    let mut by_api = stage.good();
    by_api.programs[VMM].descriptors.clear();
    stage.ask(&by_api, Some(&NAMES)).unwrap();
    let mut six = stage.good();
    give(&mut six, GATEWAY, "dns-udp6");
    let more = [&NAMES[..], &["dns-udp6"]].concat();
    stage.ask(&six, Some(&more)).unwrap();
}

#[test]
fn a_network_that_was_not_made_is_not_given() {
    let stage = Stage::new();
    let order = stage.good();
    assert!(matches!(stage.ask(&order, None), Err(Refusal::NoNetwork { .. })));
    for missing in NAMES {
        let names: Vec<_> = NAMES.into_iter().filter(|name| *name != missing).collect();
        let answer = stage.ask(&order, Some(&names));
        assert!(
            matches!(&answer, Err(Refusal::NoNetwork { what, .. }) if what == missing),
            "{answer:?}"
        );
    }
    for name in ["dns-udp6", "dns-tcp6", "splice6"] {
        stage.refused(name, |order| give(order, GATEWAY, name));
    }
    let mut nothing_given = order;
    for program in &mut nothing_given.programs {
        program.descriptors.clear();
    }
    assert!(matches!(stage.ask(&nothing_given, None), Err(Refusal::NoNetwork { .. })));
}

#[test]
fn nobody_but_the_gateway_is_in_a_network() {
    let stage = Stage::new();
    for program in [BRIDGE, VMM] {
        stage.refused("network", |order| order.programs[program].network = true);
        stage.refused("profile", |order| jail(order, program).profile = Profile::Gateway);
        for name in ["dns-udp", "dns-tcp", "splice"] {
            stage.refused(name, |order| {
                order.programs[GATEWAY].descriptors.truncate(1);
                give(order, program, name);
            });
        }
    }
    for program in [GATEWAY, BRIDGE] {
        stage.refused("tap", |order| {
            order.programs[VMM].descriptors.clear();
            give(order, program, "tap");
        });
    }
    stage.refused("tap without a gateway", |order| drop(order.programs.remove(GATEWAY)));
    let without_a_jail = |order: &mut Order| {
        order.programs[VMM].path = "/bin/sleep".into();
        order.programs[VMM].jail = None;
        order.programs.remove(BRIDGE);
    };
    // One that root named may be a machine without a jail; its gateway is a gateway's user still.
    let mut order = stage.good();
    without_a_jail(&mut order);
    stage.ask(&order, Some(&NAMES)).unwrap();
    stage.refused("a gateway of a VM's user", |order| {
        without_a_jail(order);
        user(order, GATEWAY).id -= GATEWAY_USERS;
    });
    stage.refused("without a jail", |order| order.programs[GATEWAY].jail = None);
    stage.refused("no user", |order| jail(order, GATEWAY).user = None);
    stage.refused("by another's program", |order| {
        order.programs[GATEWAY].path = stage.path("bin/vmm");
    });
    for name in ["bin/link", "vms/job/gateway", "bin/../bin/gateway", "bin/./gateway"] {
        stage.refused(name, |order| order.programs[GATEWAY].path = stage.path(name));
    }
    let mut stage = stage;
    stage.policy.gateway = None;
    assert!(stage.ask(&stage.good(), Some(&NAMES)).is_err());
}

#[test]
fn a_gateway_is_what_it_is_and_nothing_else() {
    let stage = Stage::new();
    stage.refused("main", |order| "gateway".clone_into(&mut order.main));
    stage.refused("not in it", |order| order.programs[GATEWAY].network = false);
    for profile in [Profile::CloudHypervisor, Profile::Qemu, Profile::VhostDeviceVsock] {
        stage.refused("profile", |order| jail(order, GATEWAY).profile = profile);
    }
    stage.refused("two", |order| {
        let mut second = order.programs[GATEWAY].clone();
        "second".clone_into(&mut second.name);
        second.descriptors.clear();
        order.programs.push(second);
    });
    stage.refused("alone", |order| {
        order.programs.truncate(1);
        "gateway".clone_into(&mut order.main);
    });
}

#[test]
fn a_gateway_has_the_user_that_belongs_to_its_machine() {
    let stage = Stage::new();
    let own = FIRST + 7 + GATEWAY_USERS;
    for id in [
        0,
        1,
        1000,
        64_997,
        GATEWAY_USERS,
        FIRST,
        FIRST + 7,
        FIRST + GATEWAY_USERS,
        own - 1,
        own + 1,
        own + GATEWAY_USERS,
        u32::MAX,
    ] {
        stage.refused("user", |order| user(order, GATEWAY).id = id);
    }
    for program in [BRIDGE, VMM] {
        stage.refused("a VMM's", |order| user(order, program).id = own);
        stage.refused("two users", |order| user(order, program).id = FIRST + 8);
    }
    stage.refused("others of one that is no VM's", |order| {
        user(order, BRIDGE).id = FIRST + 1024;
        user(order, VMM).id = FIRST + 1024;
        user(order, GATEWAY).id = FIRST + 1024 + GATEWAY_USERS;
    });
    for keeper in [0, 1, FIRST, own, u32::MAX] {
        stage.refused("keeper", |order| user(order, GATEWAY).keeper = keeper);
    }
    let policy = &stage.policy;
    assert!(policy.is_gateways(own) && policy.is_gateways(FIRST + GATEWAY_USERS));
    let others = [0, FIRST, FIRST + 7, FIRST + GATEWAY_USERS - 1, FIRST + GATEWAY_USERS + 1024];
    for id in others.into_iter().chain([GATEWAY_USERS, u32::MAX]) {
        assert!(!policy.is_gateways(id), "{id}");
    }
}

#[test]
fn a_gateway_has_the_files_of_its_machine_alone() {
    let stage = Stage::new();
    let paths = ["/etc/shadow", "/run/kiln/kilnd.sock", "/dev/mem", "/", "relative", ""];
    let own = ["vms/other", "vms/other/egress.log", "bin/vmm", "instance", "vms/job/../other"];
    let own = own.map(|name| stage.path(name).display().to_string());
    let accesses = [
        Access::Read,
        Access::Execute,
        Access::Write,
        Access::Device,
        Access::Sockets,
        Access::Files,
    ];
    for path in paths.iter().map(|&path| path.to_owned()).chain(own) {
        for access in accesses {
            // What every program may have of the host's programs, it may have as well.
            if access == Access::Execute && path.ends_with("bin/vmm")
                || access == Access::Read && path.ends_with("bin/vmm")
            {
                continue;
            }
            stage.refused(&path, |order| {
                jail(order, GATEWAY).paths.push(JailPath { path: path.clone().into(), access });
            });
        }
    }
    // Itself as anything but a program, or as somebody else's.
    for access in [Access::Read, Access::Write, Access::Files, Access::Device] {
        let itself = JailPath { path: stage.path("bin/gateway"), access };
        stage.refused("itself", |order| jail(order, GATEWAY).paths.push(itself));
    }
    let execute = || JailPath { path: stage.path("bin/gateway"), access: Access::Execute };
    for program in [BRIDGE, VMM] {
        stage.refused("a VMM's", |order| jail(order, program).paths.push(execute()));
    }
}
