//! Room for disks, and the program that makes file systems on them.

use std::{env, fs, path::Path, process::Command};

use super::{home::nearest, program::run};
use crate::{
    config::Flags,
    doctor::report::{Area, Check},
};

/// A job's disks are sparse: this is for logs, records and little work.
const LEAST_MEBIBYTES: u64 = 256;
/// A scratch disk as it is if nothing is said.
const FAIR_MEBIBYTES: u64 = 10 * 1024;
const BLOCK: usize = 512;

pub(super) fn checks(flags: &Flags) -> Vec<Check> {
    vec![free(&flags.home), mke2fs(), mke2fs_of_tar()]
}

fn free(home: &Path) -> Check {
    let (area, name) = (Area::Storage, "free disk");
    let place = nearest(home);
    let mebibytes = match rustix::fs::statvfs(place) {
        Ok(found) => found.f_bavail.saturating_mul(found.f_frsize) >> 20,
        Err(error) => {
            return Check::note(area, name, format!("{} does not tell: {error}", place.display()));
        }
    };
    let found = format!("{mebibytes} MiB below {}", place.display());
    let mend = "make room, or put the home on a larger disk with --home";
    if mebibytes < LEAST_MEBIBYTES {
        Check::missing(area, name, found).mend(mend)
    } else if mebibytes < FAIR_MEBIBYTES {
        Check::warning(area, name, found).mend(mend)
    } else {
        Check::ok(area, name, found)
    }
}

/// As every job's scratch disk is made.
fn mke2fs() -> Check {
    let (area, name) = (Area::Storage, "mke2fs");
    match on_a_disk(&["-q", "-F", "-t", "ext4"], b"") {
        Ok(()) => Check::ok(area, name, "a file system was made"),
        Err(reason) => Check::missing(area, name, reason)
            .mend("install e2fsprogs: each job's scratch disk is made with it"),
    }
}

/// A file system with files from an archive, which root filesystems will be made of.
fn mke2fs_of_tar() -> Check {
    let (area, name) = (Area::Storage, "mke2fs of a tar");
    match on_a_disk(&["-q", "-F", "-t", "ext4", "-d", "-"], &tar()) {
        Ok(()) => Check::ok(area, name, "a file system with a file of a tar was made"),
        Err(reason) => Check::note(area, name, format!("{reason}; no job needs it"))
            .mend("install e2fsprogs 1.47.1 or later and libarchive13t64"),
    }
}

/// Makes a file system in a file without a name, of which nothing is left whatever happens.
fn on_a_disk(arguments: &[&str], input: &[u8]) -> Result<(), String> {
    use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};
    // SAFETY: the name ends with a zero.
    let descriptor = unsafe { libc::memfd_create(c"kiln-doctor".as_ptr(), 0) };
    if descriptor < 0 {
        return Err(std::io::Error::last_os_error().to_string());
    }
    // SAFETY: made just now, and nobody else's.
    let disk = unsafe { OwnedFd::from_raw_fd(descriptor) };
    let path = format!("/proc/self/fd/{}", disk.as_raw_fd());
    let disk = fs::File::from(disk);
    disk.set_len(8 << 20).map_err(|error| error.to_string())?;
    let mut command = Command::new("mke2fs");
    command.args(arguments).arg(path).env("PATH", search_path());
    run(&mut command, input).map(drop)
}

/// Where administrators' programs are, which an ordinary user does not look for.
fn search_path() -> String {
    let path = env::var("PATH").unwrap_or_default();
    format!("{path}:/usr/sbin:/sbin")
}

/// One file, `hello`.
fn tar() -> Vec<u8> {
    let content = b"hello\n";
    let mut header = [0_u8; BLOCK];
    let mut field = |at: usize, value: &[u8]| header[at..at + value.len()].copy_from_slice(value);
    field(0, b"hello");
    field(100, b"0000644\0");
    field(108, b"0000000\0");
    field(116, b"0000000\0");
    field(124, format!("{:011o}\0", content.len()).as_bytes());
    field(136, b"00000000000\0");
    field(148, b"        ");
    field(156, b"0");
    field(257, b"ustar\x0000");
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let mut archive = header.to_vec();
    archive.extend_from_slice(content);
    archive.resize(2 * BLOCK, 0);
    // The end is two empty blocks.
    archive.resize(4 * BLOCK, 0);
    archive
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_archive_is_one_that_tar_reads() {
        let listed = run(Command::new("tar").args(["tvf", "-"]), &tar()).unwrap();
        assert!(listed.contains("hello") && listed.starts_with("-rw-r--r--"), "{listed}");
    }
}
