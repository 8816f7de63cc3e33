use std::{fs, path::Path};

use super::*;

const LIMITS: CgroupLimits = CgroupLimits { memory_bytes: 64 << 20, pids: 32, cpus: 1 };

fn v1(controller: &str, at: &Path) -> String {
    format!("35 31 0:32 / {} rw,relatime - cgroup cgroup rw,{controller}\n", at.display())
}

fn v2(at: &Path) -> String {
    format!("41 31 0:38 / {} rw,relatime shared:9 - cgroup2 cgroup2 rw\n", at.display())
}

fn check(mounts: &str, expected: &str) {
    let said = match Cgroups::among(mounts, "0badcafe") {
        Ok(_) => String::new(),
        Err(error) => error.to_string(),
    };
    assert!(said.contains(expected) && said.is_empty() == expected.is_empty(), "{said}");
}

#[test]
fn a_host_without_usable_cgroups_says_why() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    check("", "no cgroups are mounted");
    check("31 23 0:28 / /tmp rw - tmpfs tmpfs rw,mode=755\n\n???\n", "no cgroups are mounted");
    check(&v1("freezer", root), "no cgroups are mounted");
    check(&v1("memory", Path::new("/proc")), "/proc/kiln-0badcafe cannot be used");
    check(&v1("memory", Path::new("/nonexistent")), "/nonexistent/kiln-0badcafe cannot be used");
    fs::write(root.join("cgroup.controllers"), "cpu memory\n").unwrap();
    check(&v2(root), "has no pids");
    fs::write(root.join("cgroup.controllers"), "\n").unwrap();
    check(&v2(root), "has no memory");
    assert!(matches!(Cgroups::among(&v2(root), "../x"), Err(NoCgroups { .. })));
}

#[test]
fn version_1_is_taken_where_it_has_the_memory_and_shared_hierarchies_count_once() {
    let directory = tempfile::tempdir().unwrap();
    let roots = ["a", "b"].map(|name| directory.path().join(name));
    for root in &roots {
        fs::create_dir(root).unwrap();
    }
    let mounts = [v1("pids,cpuacct", &roots[1]), v1("memory", &roots[0]), v2(Path::new("/none"))];
    let cgroups = Cgroups::among(&mounts.concat(), "0badcafe").unwrap();
    for root in &roots {
        assert!(root.join("kiln-0badcafe").is_dir());
    }
    cgroups.release();
    for root in &roots {
        assert!(!root.join("kiln-0badcafe").exists());
    }
}

/// A plain directory is no hierarchy: the kernel's files do not appear in it.
#[test]
fn a_limit_in_name_alone_is_no_limit() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("cgroup.controllers"), "memory pids\n").unwrap();
    let cgroups = Cgroups::among(&v2(directory.path()), "0badcafe").unwrap();
    let error = cgroups.create("job", LIMITS).unwrap_err();
    assert!(matches!(error, CgroupError::ReadBack { .. }), "{error}");
    assert!(!directory.path().join("kiln-0badcafe/job").exists());
}
