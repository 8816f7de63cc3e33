//! How the threads of a process are confined, as the kernel says.

use std::{fs, io, os::unix::fs::MetadataExt as _};

/// One thread, from outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThreadConfinement {
    pub thread: u32,
    pub name: String,
    /// Real, effective, saved, and the one that file systems see.
    pub users: Vec<u32>,
    pub groups: Vec<u32>,
    pub supplementary_groups: Vec<u32>,
    /// Inheritable, permitted, effective, bounding, ambient.
    pub capabilities: [u64; 5],
    pub no_new_privileges: bool,
    /// How many filters of system calls it goes through.
    pub filters: u32,
    /// Which network it is in, by its inode; `None` where we may not look.
    pub network: Option<u64>,
}

impl ThreadConfinement {
    /// What is wrong with it, for a program that is to be `user`; nothing, when it is shut in.
    pub fn faults(&self, user: u32) -> Vec<String> {
        let mut faults = Vec::new();
        let mut expect = |holds: bool, fault: String| {
            if !holds {
                faults.push(format!("thread {} ({}) {fault}", self.thread, self.name));
            }
        };
        expect(self.filters > 0, "has no filter".to_owned());
        expect(self.no_new_privileges, "may gain privileges".to_owned());
        let sets = self.capabilities.map(|set| format!("{set:x}")).join(" ");
        expect(self.capabilities == [0; 5], format!("has the capabilities {sets}"));
        expect(self.users == [user; 4], format!("is {:?}, not {user}", self.users));
        expect(self.groups == [user; 4], format!("is of group {:?}, not {user}", self.groups));
        let others = &self.supplementary_groups;
        expect(others.iter().all(|group| *group == user), format!("is of {others:?} as well"));
        faults
    }
}

/// Every thread that the process has now. One that ends meanwhile is left out.
pub fn inspect(pid: u32) -> io::Result<Vec<ThreadConfinement>> {
    let mut threads = Vec::new();
    for entry in fs::read_dir(format!("/proc/{pid}/task"))? {
        let path = entry?.path();
        match fs::read_to_string(path.join("status")) {
            Ok(status) => {
                let thread = read(&status).ok_or(io::ErrorKind::InvalidData)?;
                let network = fs::metadata(path.join("ns/net")).ok();
                threads.push(ThreadConfinement {
                    network: network.map(|network| network.ino()),
                    ..thread
                });
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) if error.raw_os_error() == Some(libc::ESRCH) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(threads)
}

fn read(status: &str) -> Option<ThreadConfinement> {
    let field = |name: &str| {
        let mut lines = status.lines();
        lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
    };
    let list = |name: &str| -> Option<Vec<u32>> {
        field(name)?.split_whitespace().map(|id| id.parse().ok()).collect()
    };
    let set = |name: &str| u64::from_str_radix(field(name)?, 16).ok();
    Some(ThreadConfinement {
        network: None,
        thread: field("Pid")?.parse().ok()?,
        name: field("Name")?.to_owned(),
        users: list("Uid")?,
        groups: list("Gid")?,
        supplementary_groups: list("Groups")?,
        capabilities: [
            set("CapInh")?,
            set("CapPrm")?,
            set("CapEff")?,
            set("CapBnd")?,
            set("CapAmb")?,
        ],
        no_new_privileges: field("NoNewPrivs")? == "1",
        // A kernel that does not count them says at least whether there are any.
        filters: match (field("Seccomp")?, field("Seccomp_filters")) {
            ("2", Some(count)) => count.parse().ok()?,
            ("2", None) => 1,
            _ => 0,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ordinary_process_is_not_confined() {
        let threads = inspect(std::process::id()).unwrap();
        assert!(!threads.is_empty());
        for thread in &threads {
            // Whoever runs this, it is not that user.
            assert!(!thread.faults(4_000_000_000).is_empty(), "{thread:?}");
        }
        assert!(inspect(u32::MAX).is_err());
    }

    #[test]
    fn what_is_wrong_is_said() {
        let status = "Name:\tvmm a\nPid:\t7\nUid:\t9\t9\t9\t9\nGid:\t9\t9\t9\t9\nGroups:\t \n\
                      CapInh:\t0\nCapPrm:\t0\nCapEff:\t0\nCapBnd:\t0\nCapAmb:\t0\n\
                      NoNewPrivs:\t1\nSeccomp:\t2\nSeccomp_filters:\t2\n";
        let check = |from: &str, to: &str, expected: &[&str]| {
            let thread = read(&status.replace(from, to)).unwrap();
            assert_eq!(thread.faults(9), expected);
        };
        check("", "", &[]);
        check("Seccomp:\t2", "Seccomp:\t0", &["thread 7 (vmm a) has no filter"]);
        check("Privs:\t1", "Privs:\t0", &["thread 7 (vmm a) may gain privileges"]);
        check("CapBnd:\t0", "CapBnd:\t80", &["thread 7 (vmm a) has the capabilities 0 0 0 80 0"]);
        check("Uid:\t9", "Uid:\t0", &["thread 7 (vmm a) is [0, 9, 9, 9], not 9"]);
        check("Groups:\t", "Groups:\t6 ", &["thread 7 (vmm a) is of [6] as well"]);
    }
}
