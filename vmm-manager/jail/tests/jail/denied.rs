//! What a program that has been taken over would try first.

use kiln_jail::Profile;

use crate::machine::{Machine, PROFILES};

/// How often each profile is tried at least.
const AT_LEAST: usize = 40;

/// Checks every line that the probe said, and returns how many there were.
fn check(said: &str, denied: impl Fn(&str, &str) -> bool) -> usize {
    for line in said.lines() {
        let (name, outcome) = line.split_once('\t').unwrap();
        assert!(denied(name, outcome), "{name}: {outcome}\n{said}");
    }
    said.lines().count()
}

pub(crate) fn what_no_vmm_needs_is_denied() {
    let (not_permitted, not_there) = (libc::EPERM.to_string(), libc::ENOSYS.to_string());
    for profile in PROFILES {
        let machine = Machine::new();
        let said = machine.start(profile, &["calls"]).finish();
        let tried = check(&said, |name, outcome| {
            let absent = name == "SYS_clone3" || name.starts_with("SYS_io_uring");
            outcome == if absent { &not_there } else { &not_permitted }
        });
        assert!(tried >= AT_LEAST, "{tried}");
        println!("{profile:?}: {tried} system calls denied");
    }
}

pub(crate) fn files_that_are_not_its_own_are_denied() {
    for profile in PROFILES {
        let machine = Machine::new();
        // Beside what it was given, in its own directory.
        std::fs::write(machine.path("shim.json"), "{}").unwrap();
        let hidden = machine.path("shim.json").display().to_string();
        let said = machine.start(profile, &["files", &hidden, "shim.json"]).finish();
        let denials = [libc::ENOENT, libc::EACCES, libc::EPERM, libc::EROFS, libc::EBUSY];
        let denials = denials.map(|errno| errno.to_string());
        let tried = check(&said, |_, outcome| denials.iter().any(|denial| denial == outcome));
        assert!(tried >= AT_LEAST, "{tried}");
        println!("{profile:?}: {tried} opens denied");
        assert!(!machine.path("new").exists());
        assert_eq!(std::fs::read(machine.path("kernel")).unwrap(), b"a kernel");
    }
    // What stands in no program's list at all.
    let machine = Machine::new();
    let said = machine.start(Profile::CloudHypervisor, &["files"]).finish();
    assert!(said.contains("open /etc/shadow\t2\n"), "{said}");
}
