//! The end of the machine: nothing unwritten, and the kernel told.

use std::{
    fs, io,
    sync::mpsc::{RecvTimeoutError, channel},
    thread,
    time::Duration,
};

use rustix::{
    fs::{Mode, OFlags, syncfs},
    mount::{MountFlags, UnmountFlags, mount_remount, unmount},
    system::{RebootCommand, reboot},
};

/// A frozen file system never comes to an end.
const LIMIT: Duration = Duration::from_secs(10);
/// What goes with the kernel.
const KERNEL: [&str; 3] = ["/proc", "/sys", "/dev"];

/// How a machine is ended; some VMMs take only a reset for an end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum End {
    #[default]
    PowerOff,
    Reboot,
    Halt,
}

/// Writes everything out; what could not be is returned. Nothing but this process runs any more.
fn write_out() -> Vec<String> {
    let mut failed = Vec::new();
    let mounts = fs::read("/proc/self/mountinfo").unwrap_or_default();
    for point in mount_points(&mounts).into_iter().rev() {
        if unmount(&point, UnmountFlags::NOFOLLOW).is_err()
            && let Err(error) = sync(&point)
        {
            failed.push(format!("{point} is not written out: {error}"));
        }
    }
    // With the file system read-only its journal is empty too. Where that cannot be, it is in order.
    if mount_remount("/", MountFlags::RDONLY, c"").is_err()
        && let Err(error) = sync("/")
    {
        failed.push(format!("the root file system is not written out: {error}"));
    }
    failed
}

fn sync(point: &str) -> io::Result<()> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    Ok(syncfs(rustix::fs::open(point, flags, Mode::empty())?)?)
}

/// Those of the command's, in the order in which they came.
fn mount_points(table: &[u8]) -> Vec<String> {
    let lines = table.split(|byte| *byte == b'\n');
    let points = lines.filter_map(|line| line.split(|byte| *byte == b' ').nth(4)).map(unescape);
    let is_kernels = |point: &String| {
        let below = |root: &&str| {
            point.strip_prefix(*root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        KERNEL.iter().any(below)
    };
    points.filter(|point| point != "/" && !is_kernels(point)).collect()
}

/// Spaces and the like stand there in octal.
fn unescape(field: &[u8]) -> String {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&first, after)) = rest.split_first() {
        let octal = after.get(..3).filter(|_| first == b'\\');
        let number = octal.and_then(|digits| std::str::from_utf8(digits).ok());
        match number.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = rest.get(4..).unwrap_or_default();
            }
            None => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Ends the machine, whatever its disks do. `note` hears what was lost.
pub(crate) fn switch_off(end: End, note: &mut dyn FnMut(String)) -> ! {
    let (told, written) = channel();
    let writer = thread::Builder::new().spawn(move || told.send(write_out()));
    match writer.map(|_| written.recv_timeout(LIMIT)) {
        Ok(Ok(failed)) => failed.into_iter().for_each(&mut *note),
        Ok(Err(RecvTimeoutError::Timeout)) => {
            note(format!("file systems are not written out after {} s", LIMIT.as_secs()));
        }
        Ok(Err(RecvTimeoutError::Disconnected)) | Err(_) => {
            // Without a thread there is no limit, which is better than to lose what was written.
            write_out().into_iter().for_each(&mut *note);
        }
    }
    let command = match end {
        End::PowerOff => RebootCommand::PowerOff,
        End::Reboot => RebootCommand::Restart,
        End::Halt => RebootCommand::Halt,
    };
    loop {
        if let Err(errno) = reboot(command) {
            note(format!("the machine cannot be ended: {errno}"));
        }
        // A process 1 that returns is a panic of the kernel.
        thread::sleep(Duration::from_secs(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mount_points_are_those_of_the_command() {
        let table = b"21 1 0:19 / / rw - tmpfs t rw\n\
            22 21 0:20 / /proc rw - proc proc rw\n\
            23 21 0:21 / /dev/shm rw - tmpfs t rw\n\
            24 21 0:22 / /devices rw - tmpfs t rw\n\
            25 21 0:23 / /a\\040b\\134c rw shared:1 - ext4 /dev/vdb rw\n";
        assert_eq!(mount_points(table), ["/devices", "/a b\\c"]);
        assert!(mount_points(b"").is_empty());
        assert!(mount_points(b"1 2 3\n\n").is_empty());
    }
}
