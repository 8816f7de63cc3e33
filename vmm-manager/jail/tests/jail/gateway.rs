//! The jail of a gateway: the one program that is in a network.

use std::{
    fs::{self, File},
    io::{Read as _, Write as _},
    net::TcpListener,
    os::{
        fd::AsFd as _,
        unix::{fs::MetadataExt as _, net::UnixStream},
    },
};

use kiln_jail::{Access, Jail, LaunchFailure, Profile, Step, inspect};

use crate::{
    machine::{KEEPER, Machine, PROFILES, Program},
    network::Network,
};

/// How much is tried at least.
const AT_LEAST: usize = 100;

/// Its config and its record, and no place to make anything.
fn jail(machine: &Machine) -> Jail {
    let mut jail = machine.jail(Profile::Gateway);
    jail.paths.retain(|given| !matches!(given.access, Access::Sockets | Access::Files));
    jail
}

fn start(machine: &Machine, network: &Network, arguments: &[&str]) -> Program {
    let jail = jail(machine);
    machine.launch_in(network.namespace.as_fd(), &network.parts(), &jail, arguments).unwrap()
}

pub(crate) fn what_a_gateway_needs_works() {
    let machine = Machine::new();
    let socket = machine.path("gateway.sock");
    let network = Network::new().with_control(&socket);
    let mut program = start(&machine, &network, &["gateway"]);
    let confinement = program.confinement.clone();
    assert_eq!((confinement.user, confinement.network), (Some(machine.user), true));
    assert_eq!(confinement.profile, Profile::Gateway);
    let mut lines = vec![program.line()];
    while lines.last().is_some_and(|line| line != "listens\tdone") {
        assert_ne!(lines.last().map(String::as_str), Some(""), "{lines:?}");
        lines.push(program.line());
    }
    let mut daemon = UnixStream::connect(&socket).unwrap();
    daemon.write_all(b"ping").unwrap();
    let mut said = [0; 4];
    daemon.read_exact(&mut said).unwrap();
    assert_eq!(&said, b"ping");
    lines.extend(program.finish().lines().map(str::to_owned));
    let wrong: Vec<_> = lines.iter().filter(|line| !line.ends_with("\tdone")).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
    assert!(lines.len() >= 11, "{lines:?}");
    let record = fs::read(machine.path("disk")).unwrap();
    assert!(record.ends_with(b"{\"refused\":{}}\n"));
    let metadata = fs::metadata(machine.path("disk")).unwrap();
    let owners = (metadata.uid(), metadata.gid(), metadata.mode() & 0o7777);
    assert_eq!(owners, (machine.user, KEEPER, 0o660));
}

pub(crate) fn what_no_gateway_needs_is_denied() {
    let machine = Machine::new();
    let network = Network::new();
    let said = start(&machine, &network, &["gateway-calls"]).finish();
    let (not_permitted, not_there) = (libc::EPERM.to_string(), libc::ENOSYS.to_string());
    for line in said.lines() {
        let (name, outcome) = line.split_once('\t').unwrap();
        let absent = name == "SYS_clone3" || name.starts_with("SYS_io_uring");
        let expected = if absent { &not_there } else { &not_permitted };
        assert_eq!(outcome, expected, "{name}\n{said}");
    }
    let tried = said.lines().count();
    assert!(tried >= AT_LEAST, "{tried}");
    println!("a gateway: {tried} system calls denied");
}

pub(crate) fn files_that_are_not_its_own_are_denied() {
    let machine = Machine::new();
    let network = Network::new();
    for name in ["shim.json", "qmp.sock", "asked.json", "scratch"] {
        fs::write(machine.path(name), "{}").unwrap();
    }
    let hidden = machine.path("shim.json").display().to_string();
    let others = [&hidden, "shim.json", "qmp.sock", "asked.json", "scratch", "run", "shot"];
    let arguments: Vec<&str> = ["files"].into_iter().chain(others).collect();
    let said = start(&machine, &network, &arguments).finish();
    let denials = [libc::ENOENT, libc::EACCES, libc::EPERM, libc::EROFS, libc::EBUSY];
    for line in said.lines() {
        let (name, outcome) = line.split_once('\t').unwrap();
        assert!(denials.iter().any(|denial| denial.to_string() == outcome), "{name}: {outcome}");
    }
    let tried = said.lines().count();
    assert!(tried >= 40, "{tried}");
    println!("a gateway: {tried} opens denied");
    assert_eq!(fs::read(machine.path("kernel")).unwrap(), b"a kernel");
}

pub(crate) fn each_of_its_threads_is_in_its_network_and_confined() {
    let host = File::open("/proc/self/ns/net").unwrap().metadata().unwrap().ino();
    let machine = Machine::new();
    let network = Network::new();
    let mut program = start(&machine, &network, &["threads", "16"]);
    assert_eq!(program.line(), "threads 16\tdone");
    let threads = inspect(program.pid).unwrap();
    assert_eq!(threads.len(), 17);
    for thread in &threads {
        assert_eq!(thread.faults(machine.user), Vec::<String>::new());
        assert_eq!(thread.network, Some(network.inode()));
    }
    drop(program);
    // The others are in one of their own, in which there is nothing.
    for profile in PROFILES {
        let machine = Machine::new();
        let mut program = machine.start(profile, &["sleep"]);
        assert_eq!(program.line(), "asleep\tdone");
        assert!(!program.confinement.network);
        let threads = inspect(program.pid).unwrap();
        let networks: Vec<_> = threads.iter().map(|thread| thread.network.unwrap()).collect();
        assert!(networks.iter().all(|inode| ![host, network.inode()].contains(inode)));
        program.say("end");
        program.finish();
    }
}

pub(crate) fn it_reaches_nothing_of_the_host_or_of_other_networks() {
    let hosts = TcpListener::bind("127.0.0.1:0").unwrap();
    let (machine, network, other) = (Machine::new(), Network::new(), Network::new());
    let own = network.tcp.to_string();
    let mut targets = vec![hosts.local_addr().unwrap().to_string(), other.tcp.to_string()];
    targets.retain(|target| *target != own);
    for beyond in ["192.0.2.1:80", "169.254.169.254:80", "[2001:db8::1]:443", "10.0.0.1:22"] {
        targets.push(beyond.to_owned());
    }
    let arguments: Vec<&str> =
        ["dial", &own].into_iter().chain(targets.iter().map(String::as_str)).collect();
    let said = start(&machine, &network, &arguments).finish();
    let mut lines = said.lines();
    assert_eq!(lines.next(), Some(format!("{own}\tdone").as_str()));
    let rest: Vec<_> = lines.collect();
    assert_eq!(rest.len(), targets.len());
    let nowhere = [libc::ECONNREFUSED, libc::ENETUNREACH, libc::EHOSTUNREACH, libc::EADDRNOTAVAIL];
    for line in rest {
        let (target, outcome) = line.split_once('\t').unwrap();
        assert!(nowhere.iter().any(|errno| errno.to_string() == outcome), "{target}: {outcome}");
    }
}

pub(crate) fn a_network_that_cannot_be_joined_is_named() {
    let machine = Machine::new();
    let check = |network: File, jail: &Jail, expected: &LaunchFailure| {
        let network = crate::machine::above(network);
        let failure = machine.launch_in(network.as_fd(), &[], jail, &["sleep"]).err().unwrap();
        assert_eq!(&failure, expected);
    };
    let open = |path: &str| File::open(path).unwrap();
    let refused = LaunchFailure::Network { errno: libc::EINVAL };
    // Whoever is given the host's has everything.
    check(open("/proc/self/ns/net"), &jail(&machine), &refused);
    let mut shared = jail(&machine);
    shared.user = None;
    let network = Network::new();
    check(network.namespace.try_clone().unwrap().into(), &shared, &refused);
    let no_network = LaunchFailure::Step { step: Step::Network, errno: libc::EINVAL };
    for path in ["/proc/self/ns/mnt", "/proc/self/ns/user", "/etc/hostname", "/dev/null", "/"] {
        check(open(path), &jail(&machine), &no_network);
    }
}
