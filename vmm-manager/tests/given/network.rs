//! The network of a machine, made and given as the helper does it, and a gateway that is none.
//!
//! ```text
//! the test ── makes namespace, TAP, sockets; tells their numbers in a file
//!    └─ driver ── order ──▶ this program as HELPED ── takes copies of them, ──▶ this program as kiln-shim
//!                                                     gives the order on
//! ```

use std::{
    ffi::OsStr,
    fs::{self, File, OpenOptions},
    io::{BufRead as _, BufReader, Read as _, Seek as _, Write as _},
    net::{Ipv4Addr, Ipv6Addr, TcpListener, UdpSocket},
    os::{
        fd::{AsRawFd as _, FromRawFd as _, OwnedFd, RawFd},
        unix::{
            fs::{MetadataExt as _, symlink},
            net::{UnixListener, UnixStream},
            process::CommandExt as _,
        },
    },
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    sync::Arc,
    thread,
};

use kiln_jail::JailUser;
use kiln_net::control;
use kiln_shim::{Order, supervise};
use kiln_vmm_manager::vmm::{Jailed, MachineNetwork};
use rustix::{
    fs::{MemfdFlags, memfd_create},
    io::{FdFlags, dup2, fcntl_dupfd_cloexec, fcntl_setfd},
    ioctl::{Setter, ioctl},
    process::{Pid, PidfdFlags, PidfdGetfdFlags, getppid, pidfd_getfd, pidfd_open},
    thread::{UnshareFlags, unshare_unsafe},
};

/// What the test's program is when it is called so: a helper that has been asked, and then the
/// supervisor that it starts.
pub(crate) const HELPED: &str = "kiln-shim-helped";
/// And when it is called so, a gateway.
pub(crate) const GATEWAY: &str = "kiln-gateway";
/// Beside the program: which numbers of the test are given.
const NUMBERS: &str = "given";
/// Above all numbers that programs are given.
const HIGH: RawFd = 300;
const TAP: &str = "guest";

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

/// Gone with its descriptors.
pub(crate) struct Given {
    namespace: OwnedFd,
    /// The VMM's.
    tap: Arc<OwnedFd>,
    _parts: Vec<OwnedFd>,
    gateway: PathBuf,
}

impl Given {
    /// For machines whose supervisors are called [`HELPED`] in `place`.
    pub(crate) fn new(place: &Path) -> Self {
        let made = thread::spawn(|| {
            // SAFETY: this thread alone is in the new namespace, and ends in a moment.
            unsafe { unshare_unsafe(UnshareFlags::NEWNET) }.unwrap();
            let namespace = high(File::open("/proc/thread-self/ns/net").unwrap());
            (namespace, tap(), sockets())
        });
        let (namespace, tap, sockets) = made.join().unwrap();
        let all = [(supervise::NAMESPACE, namespace.as_raw_fd()), ("tap", tap.as_raw_fd())];
        let parts = sockets.iter().map(|(name, part)| (*name, part.as_raw_fd()));
        let named: Vec<_> =
            all.into_iter().chain(parts).map(|(name, number)| format!("{name}={number}")).collect();
        fs::write(place.join(NUMBERS), named.join(",")).unwrap();
        let own = std::env::current_exe().unwrap();
        for name in [HELPED, GATEWAY, "kiln-shim"] {
            let _there_already = symlink(&own, place.join(name));
        }
        let parts = sockets.into_iter().map(|(_, part)| part).collect();
        Self { namespace, tap: Arc::new(tap), _parts: parts, gateway: place.join(GATEWAY) }
    }

    /// Of the machine in `directory`, whose VMM is `vm`.
    pub(crate) async fn network(&self, directory: &Path, vm: &JailUser) -> MachineNetwork {
        let (config, record) = (directory.join("egress.json"), directory.join("egress.log"));
        fs::write(&config, "{}").unwrap();
        File::create(&record).unwrap();
        MachineNetwork {
            tap: Arc::clone(&self.tap),
            gateway: Jailed::find(&self.gateway).await.unwrap(),
            config,
            record,
            record_bytes: 1 << 20,
            user: JailUser { id: vm.id + 65_536, keeper: vm.keeper },
            six: true,
        }
    }

    /// Which it is, as the kernel numbers networks.
    pub(crate) fn inode(&self) -> u64 {
        File::from(self.namespace.try_clone().unwrap()).metadata().unwrap().ino()
    }
}

fn high(descriptor: impl Into<OwnedFd>) -> OwnedFd {
    fcntl_dupfd_cloexec(descriptor.into(), HIGH).unwrap()
}

fn tap() -> OwnedFd {
    let tap = File::options().read(true).write(true).open("/dev/net/tun").unwrap();
    let mut name = [0; 16];
    name[..TAP.len()].copy_from_slice(TAP.as_bytes());
    let request = Request { name, flags: IFF_TAP | IFF_NO_PI | IFF_VNET_HDR, rest: [0; 22] };
    // SAFETY: TUNSETIFF reads a `struct ifreq`, which this is.
    unsafe { ioctl(&tap, Setter::<{ TUNSETIFF }, Request>::new(request)) }.unwrap();
    high(tap)
}

/// Wherever they listen, nobody comes.
fn sockets() -> Vec<(&'static str, OwnedFd)> {
    let (four, six) = ((Ipv4Addr::UNSPECIFIED, 0), (Ipv6Addr::UNSPECIFIED, 0));
    vec![
        ("dns-udp", high(UdpSocket::bind(four).unwrap())),
        ("dns-tcp", high(TcpListener::bind(four).unwrap())),
        ("splice", high(TcpListener::bind(four).unwrap())),
        ("registry", high(TcpListener::bind(four).unwrap())),
        ("dns-udp6", high(UdpSocket::bind(six).unwrap())),
        ("dns-tcp6", high(TcpListener::bind(six).unwrap())),
        ("splice6", high(TcpListener::bind(six).unwrap())),
        ("registry6", high(TcpListener::bind(six).unwrap())),
    ]
}

/// What this program does when it is called by one of the names here.
pub(crate) fn called(own: &Path) -> Option<ExitCode> {
    match own.file_name().and_then(OsStr::to_str) {
        Some(HELPED) => Some(help(own)),
        Some(GATEWAY) => Some(gateway()),
        _ => None,
    }
}

fn help(own: &Path) -> ExitCode {
    let mut line = Vec::new();
    let mut byte = [0];
    // What follows the line is for the leash.
    while line.last() != Some(&b'\n') {
        std::io::stdin().read_exact(&mut byte).unwrap();
        line.push(byte[0]);
    }
    let directory = Order::parse(&line).unwrap().directory;
    let test: Pid = getppid().unwrap();
    let test = fcntl_dupfd_cloexec(pidfd_open(test, PidfdFlags::empty()).unwrap(), HIGH).unwrap();
    let mut told = Vec::new();
    let mut kept = Vec::new();
    for entry in fs::read_to_string(own.with_file_name(NUMBERS)).unwrap().split(',') {
        let (name, number) = entry.split_once('=').unwrap();
        let number = number.parse().unwrap();
        let copy = pidfd_getfd(&test, number, PidfdGetfdFlags::empty()).unwrap();
        let copy = high(copy);
        fcntl_setfd(&copy, FdFlags::empty()).unwrap();
        told.push(format!("{name}={}", copy.as_raw_fd()));
        kept.push(copy);
    }
    let mut text = File::from(memfd_create(c"order", MemfdFlags::empty()).unwrap());
    text.write_all(&line).unwrap();
    text.rewind().unwrap();
    let text = high(text);
    // SAFETY: nothing here refers to this number, and the exec below is the end of this program.
    let mut order = unsafe { OwnedFd::from_raw_fd(supervise::ORDER) };
    dup2(&text, &mut order).unwrap();
    let error = Command::new(own.with_file_name("kiln-shim"))
        .args([supervise::KEEPER, "0:0", supervise::GIVE, &told.join(",")])
        .current_dir(directory)
        .exec();
    panic!("{error}");
}

/// Until it is told to end, and with which code; in between it answers what it is asked.
fn gateway() -> ExitCode {
    let config = std::env::args().nth(1).unwrap();
    assert_eq!(fs::read_to_string(&config).unwrap(), "{}");
    let record = Path::new(&config).with_file_name("egress.log");
    let mut record = OpenOptions::new().append(true).open(record).unwrap();
    writeln!(record, "started").unwrap();
    // SAFETY: it was given under this number.
    let control = unsafe { UnixListener::from_raw_fd(control::CONTROL_FD) };
    for daemon in control.incoming() {
        let daemon = daemon.unwrap();
        for line in BufReader::new(daemon.try_clone().unwrap()).lines() {
            let Ok(line) = line else { break };
            if let Some(code) = line.strip_prefix("end ") {
                return ExitCode::from(code.parse::<u8>().unwrap());
            }
            // Which of the numbers that are promised are open.
            let numbers = (control::CONTROL_FD..=control::REGISTRY6_FD + 1)
                // SAFETY: it asks about a number.
                .filter(|number| unsafe { libc::fcntl(*number, libc::F_GETFD) } != -1)
                .map(|number| number.to_string());
            let _gone = writeln!(&daemon, "{line}: {}", numbers.collect::<Vec<_>>().join(" "));
        }
    }
    ExitCode::SUCCESS
}

/// Asks a gateway at `socket`, and hears its answer; nothing from one that has ended.
pub(crate) fn say(socket: &Path, line: &str) -> String {
    let mut daemon = UnixStream::connect(socket).unwrap();
    writeln!(daemon, "{line}").unwrap();
    let mut answer = String::new();
    BufReader::new(daemon).read_line(&mut answer).unwrap();
    answer.trim_end().to_owned()
}

/// The interfaces of which a process holds the far end.
pub(crate) fn taps(pid: u32) -> Vec<String> {
    let entries = fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
    let numbers = entries.filter_map(|entry| Some(entry.unwrap().file_name().to_str()?.to_owned()));
    let described = numbers.filter_map(|number| {
        let text = fs::read_to_string(format!("/proc/{pid}/fdinfo/{number}")).ok()?;
        text.lines().find_map(|line| Some(line.strip_prefix("iff:")?.trim().to_owned()))
    });
    described.collect()
}
