//! A jail whose starter is not root: the rules of Landlock, the filter, and no more.

use crate::machine::{Machine, PROFILES};

pub(crate) fn without_root_files_are_denied_all_the_same() {
    for profile in PROFILES {
        let machine = Machine::new();
        let mut jail = machine.jail(profile);
        jail.user = None;
        let program = machine.start_in(&jail, &["calls"]).unwrap();
        let confinement = program.confinement.clone();
        assert_eq!(confinement.user, None);
        assert!(!confinement.is_full());
        let said = program.finish();
        let denied = [libc::EPERM, libc::ENOSYS].map(|errno| errno.to_string());
        for line in said.lines() {
            let (name, outcome) = line.split_once('\t').unwrap();
            assert!(denied.iter().any(|denial| denial == outcome), "{name}: {outcome}");
        }
        if confinement.landlock.is_none() {
            println!("not run: the kernel has no Landlock");
            continue;
        }
        let said = machine.start_in(&jail, &["files"]).unwrap().finish();
        assert!(said.lines().count() >= 40);
        for line in said.lines() {
            assert!(!line.ends_with("\tdone"), "{line}");
        }
    }
}
