//! All processes but process 1, and their end.
//!
//! Spared are those of root whose first argument begins with `@`: so systemd knows what has to outlive
//! its own last killing, and so a watcher that stands outside of the root can hear of the machine's end.
//! They end with the machine.

use std::{
    fs::File,
    io::{self, Read as _},
    os::fd::OwnedFd,
    sync::mpsc::channel,
    thread,
    time::Duration,
};

use rustix::{
    fs::{CWD, Dir, Mode, OFlags, openat},
    process::{Pid, Signal, kill_process},
};

/// To look at all processes. One that is at fault itself can make that last for ever.
const LIMIT: Duration = Duration::from_secs(2);
/// Of the kernel's own threads, in their flags.
const KERNEL_THREAD: u64 = 0x0020_0000;

#[derive(Debug)]
pub(super) struct Others {
    /// Opened before the command can lay something over it.
    table: Option<OwnedFd>,
}

/// Those that were killed.
#[derive(Debug)]
pub(super) struct Killed {
    table: Option<OwnedFd>,
    /// None if it was everyone.
    numbers: Option<Vec<Pid>>,
}

impl Others {
    pub(super) fn open() -> Self {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Self { table: openat(CWD, "/proc", flags, Mode::empty()).ok() }
    }

    /// Without a look at who is there, nobody is spared.
    pub(super) fn kill(&self) -> Killed {
        // Who is stopped starts nobody else, and no number goes to another.
        send_all(libc::SIGSTOP);
        let numbers = self.condemned();
        match &numbers {
            Some(numbers) => {
                for pid in numbers {
                    // It may have ended by itself before it was stopped.
                    let _ = kill_process(*pid, Signal::KILL);
                }
            }
            None => send_all(libc::SIGKILL),
        }
        send_all(libc::SIGCONT);
        Killed { table: self.table(), numbers }
    }

    fn table(&self) -> Option<OwnedFd> {
        self.table.as_ref()?.try_clone().ok()
    }

    fn condemned(&self) -> Option<Vec<Pid>> {
        let table = self.table()?;
        let (told, listed) = channel();
        let look = move || told.send(condemned(&table));
        thread::Builder::new().spawn(look).ok()?;
        listed.recv_timeout(LIMIT).ok()?.ok()
    }
}

impl Killed {
    /// Whether none of them does anything any more.
    pub(super) fn are_gone(&mut self, has_children: bool) -> bool {
        match (&mut self.numbers, &self.table) {
            (Some(numbers), Some(table)) => {
                numbers.retain(|pid| {
                    let stat = read(table, *pid, "stat").ok();
                    stat.and_then(|stat| Stat::parse(&stat)).is_some_and(|stat| !stat.has_ended)
                });
                numbers.is_empty()
            }
            _ => !has_children,
        }
    }
}

/// To every process but this one.
fn send_all(signal: i32) {
    // SAFETY: plain integers. Only process 1 gets here, whom it does not reach. It fails when nobody
    // else is there.
    unsafe { libc::kill(-1, signal) };
}

fn condemned(table: &OwnedFd) -> io::Result<Vec<Pid>> {
    let mut condemned = Vec::new();
    for entry in Dir::read_from(table)? {
        let entry = entry?;
        let number = entry.file_name().to_str().ok().and_then(|name| name.parse().ok());
        let Some(pid) = number.and_then(Pid::from_raw).filter(|pid| !pid.is_init()) else {
            continue;
        };
        if !is_spared(table, pid) {
            condemned.push(pid);
        }
    }
    Ok(condemned)
}

fn is_spared(table: &OwnedFd, pid: Pid) -> bool {
    let stat = read(table, pid, "stat").ok().and_then(|stat| Stat::parse(&stat));
    if stat.is_some_and(|stat| stat.is_kernels) {
        return true;
    }
    let status = read(table, pid, "status").unwrap_or_default();
    is_roots(&status)
        && read(table, pid, "cmdline").is_ok_and(|arguments| arguments.starts_with(b"@"))
}

fn read(table: &OwnedFd, pid: Pid, name: &str) -> io::Result<Vec<u8>> {
    let path = format!("{}/{name}", pid.as_raw_nonzero());
    let file = openat(table, path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    let mut bytes = Vec::new();
    // A line of arguments can be as long as its process likes.
    File::from(file).take(64 << 10).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stat {
    is_kernels: bool,
    /// It only waits for its parent to see that.
    has_ended: bool,
}

impl Stat {
    /// `1 (a name) S …`: the state is the third, the flags are the ninth.
    fn parse(text: &[u8]) -> Option<Self> {
        let name_end = text.iter().rposition(|byte| *byte == b')')?;
        let rest = str::from_utf8(text.get(name_end + 1..)?).ok()?;
        let fields: Vec<_> = rest.split_ascii_whitespace().collect();
        let flags: u64 = fields.get(6)?.parse().ok()?;
        let has_ended = matches!(*fields.first()?, "Z" | "X");
        Some(Self { is_kernels: flags & KERNEL_THREAD != 0, has_ended })
    }
}

/// All four of its numbers: what has only lent itself root's rights is somebody else's.
fn is_roots(status: &[u8]) -> bool {
    let mut lines = status.split(|byte| *byte == b'\n');
    let users = lines.find_map(|line| line.strip_prefix(b"Uid:")).unwrap_or_default();
    let users: Vec<_> =
        users.split(u8::is_ascii_whitespace).filter(|user| !user.is_empty()).collect();
    users == [b"0"; 4]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_known_by_what_stands_behind_its_name() {
        let check = |text: &str, is_kernels, has_ended| {
            let expected = Stat { is_kernels, has_ended };
            assert_eq!(Stat::parse(text.as_bytes()), Some(expected), "{text}");
        };
        check("1 (init) S 0 1 1 0 -1 4194560 24 0", false, false);
        check("2 (kthreadd) S 0 0 0 0 -1 2129984 0 0", true, false);
        check("7 (a) Z 1 2129984 (b) Z 1 7 7 0 -1 4228108 0 0", false, true);
        for text in ["", "1", "1 (init)", "1 (init) S 0 1"] {
            assert_eq!(Stat::parse(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn roots_are_those_that_are_nobody_elses() {
        assert!(is_roots(b"Name:\ta\nUid:\t0\t0\t0\t0\nGid:\t5\t5\t5\t5\n"));
        for users in
            ["1000\t1000\t1000\t1000", "1000\t0\t0\t0", "0\t1000\t0\t0", "0", "00\t0\t0\t0"]
        {
            assert!(!is_roots(format!("Name:\tUid:\nUid:\t{users}\n").as_bytes()), "{users}");
        }
        assert!(!is_roots(b""));
    }
}
