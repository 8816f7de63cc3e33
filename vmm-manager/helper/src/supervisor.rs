//! The start of a supervisor.

use std::{
    fs::File,
    io::{self, Write as _},
    os::{
        fd::{AsRawFd as _, BorrowedFd, OwnedFd, RawFd},
        unix::process::CommandExt as _,
    },
    process::{Child, Command, Stdio},
};

use kiln_shim::{Order, Source, supervise};
use rustix::{
    fs::{FileType, MemfdFlags, SealFlags, fcntl_add_seals, fstat, memfd_create},
    io::fcntl_dupfd_cloexec,
};

use crate::{Policy, Refusal, given::Given};

/// Above all numbers that programs are given.
const KEPT: RawFd = 200;

/// What comes with the order.
#[derive(Debug)]
pub(crate) struct Lines {
    leash: OwnedFd,
    report: OwnedFd,
}

impl Lines {
    /// Both must be pipes: a supervisor reads from the one and writes to the other, and what else
    /// kilnd may have open is none of our affair.
    pub(crate) fn new(descriptors: Vec<OwnedFd>) -> Result<Self, Refusal> {
        let actual = descriptors.len();
        let Ok([leash, report]) = <[OwnedFd; 2]>::try_from(descriptors) else {
            return Err(Refusal::Descriptors { actual, expected: 2 });
        };
        for line in [&leash, &report] {
            let stat = fstat(line).map_err(|_| Refusal::NoPipe)?;
            if FileType::from_raw_mode(stat.st_mode) != FileType::Fifo {
                return Err(Refusal::NoPipe);
            }
        }
        Ok(Self { leash, report })
    }
}

/// Starts one for an order that was checked, in `directory`, which is the order's, with what the
/// order names of what is `given`. It detaches itself from what is given back here and reports on
/// its own.
pub(crate) fn start(
    policy: &Policy,
    order: &Order,
    directory: &OwnedFd,
    lines: Lines,
    given: Option<&Given<'_>>,
) -> io::Result<Child> {
    let text = sealed(order)?;
    let parts = given.map(|given| parts(order, given)).transpose()?.unwrap_or_default();
    let Lines { leash, report } = lines;
    let mut command = Command::new(&policy.shim);
    command
        .arg(supervise::KEEPER)
        .arg(format!("{}:{}", policy.keeper.uid, policy.keeper.gid))
        .args(told(&parts))
        .env_clear()
        .stdin(Stdio::from(leash))
        .stdout(Stdio::from(report))
        .stderr(Stdio::null());
    let (text_number, directory_number) = (text.as_raw_fd(), directory.as_raw_fd());
    let kept: Vec<RawFd> = parts.iter().map(|(_, part)| part.as_raw_fd()).collect();
    // SAFETY: system calls that may be made behind a fork, on descriptors that are open until this
    // function ends, which is after the exec.
    unsafe {
        command.pre_exec(move || {
            if libc::fchdir(directory_number) != 0 {
                return Err(io::Error::last_os_error());
            }
            for signal in [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT] {
                libc::signal(signal, libc::SIG_DFL);
            }
            for number in &kept {
                if libc::fcntl(*number, libc::F_SETFD, 0) == -1 {
                    return Err(io::Error::last_os_error());
                }
            }
            // One that has the number already would keep its mark, and be closed by the exec.
            let set = if text_number == supervise::ORDER {
                libc::fcntl(text_number, libc::F_SETFD, 0)
            } else {
                libc::dup2(text_number, supervise::ORDER)
            };
            if set == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
        });
    }
    command.spawn()
}

/// Copies of what the order names, under numbers that are no program's; ours are closed when the
/// supervisor has them.
fn parts(order: &Order, given: &Given<'_>) -> io::Result<Vec<(&'static str, OwnedFd)>> {
    let copy = |part: BorrowedFd<'_>| Ok::<_, io::Error>(fcntl_dupfd_cloexec(part, KEPT)?);
    let mut parts = Vec::new();
    if order.programs.iter().any(|program| program.network) {
        parts.push((supervise::NAMESPACE, copy(given.namespace)?));
    }
    let descriptors = order.programs.iter().flat_map(|program| &program.descriptors);
    for descriptor in descriptors {
        let Source::Given { name } = &descriptor.source else { continue };
        let (name, part) = given.find(name).ok_or(io::ErrorKind::NotFound)?;
        parts.push((name, copy(part)?));
    }
    Ok(parts)
}

/// As a supervisor reads it.
fn told(parts: &[(&str, OwnedFd)]) -> Vec<String> {
    if parts.is_empty() {
        return Vec::new();
    }
    let named = parts.iter().map(|(name, part)| format!("{name}={}", part.as_raw_fd()));
    vec![supervise::GIVE.to_owned(), named.collect::<Vec<_>>().join(",")]
}

/// Nobody alters it behind our check: kilnd has no descriptor of it, and it has no name.
fn sealed(order: &Order) -> io::Result<OwnedFd> {
    let file = memfd_create(c"kiln-order", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
    let mut file = File::from(file);
    file.write_all(&serde_json::to_vec(order)?)?;
    let seals = SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL;
    fcntl_add_seals(&file, seals)?;
    Ok(file.into())
}
