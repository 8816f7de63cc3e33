//! Slots between daemons, and numbers within one.

use std::{collections::HashSet, fs, path::Path};

use super::{NUMBERS, Numbers, PoolError, SLOTS, Slot};

/// A home as a daemon leaves it, with so many machines.
fn home(root: &Path, name: &str, machines: usize) -> std::path::PathBuf {
    let home = root.join(name);
    fs::create_dir_all(home.join("vms")).unwrap();
    fs::write(home.join("instance"), format!("{name}\n")).unwrap();
    for index in 0..machines {
        fs::create_dir(home.join("vms").join(index.to_string())).unwrap();
    }
    home
}

#[test]
fn two_daemons_share_no_number() {
    let root = tempfile::tempdir().unwrap();
    let pool = root.path().join("pool");
    let mut seen = HashSet::new();
    let mut held = Vec::new();
    for name in ["a", "b", "c"] {
        let slot = Slot::claim(&pool, name, &home(root.path(), name, 0)).unwrap();
        let numbers = Numbers::new(slot);
        while let Some(number) = numbers.take() {
            assert!(seen.insert(number.value()) && number.cid() >= 3);
            held.push(number);
        }
    }
    assert_eq!(seen.len(), 3 * NUMBERS as usize);
}

#[test]
fn a_daemon_that_comes_back_has_its_slot_and_its_numbers() {
    let root = tempfile::tempdir().unwrap();
    let pool = root.path().join("pool");
    let (a, b) = (home(root.path(), "a", 0), home(root.path(), "b", 1));
    let first = Slot::claim(&pool, "a", &a).unwrap();
    let second = Slot::claim(&pool, "b", &b).unwrap();
    assert_eq!((first.index(), second.index()), (0, 1));
    drop((first, second));
    let numbers = Numbers::new(Slot::claim(&pool, "b", &b).unwrap());
    for number in [NUMBERS, 0, 2 * NUMBERS] {
        numbers.reserve(number);
    }
    let other = numbers.take().unwrap();
    assert_eq!(other.value(), NUMBERS + 1, "the first is reserved");
    let again = numbers.take_again(NUMBERS).unwrap();
    assert_eq!(again.value(), NUMBERS);
    assert!(numbers.take_again(NUMBERS).is_none(), "taken");
    assert!(numbers.take_again(NUMBERS + 1).is_none(), "never reserved");
    assert!(numbers.take_again(0).is_none(), "another slot's");
    assert!(numbers.take_again(2 * NUMBERS).is_none(), "another slot's");
    drop(again);
    assert_eq!(numbers.take().unwrap().value(), NUMBERS, "given back");
}

#[test]
fn a_slot_with_machines_is_not_taken_from_a_dead_daemon() {
    let root = tempfile::tempdir().unwrap();
    let pool = root.path().join("pool");
    let claim = |name: &str, machines| {
        Slot::claim(&pool, name, &home(root.path(), name, machines)).unwrap().index()
    };
    assert_eq!(claim("dead", 1), 0);
    assert_eq!(claim("new", 0), 1);
    fs::remove_dir(root.path().join("dead/vms/0")).unwrap();
    assert_eq!(claim("newer", 0), 0, "its last machine is gone");
    fs::create_dir(root.path().join("newer/vms/0")).unwrap();
    fs::write(root.path().join("newer/instance"), "other\n").unwrap();
    assert_eq!(claim("newest", 0), 0, "the home is another's now");
}

#[test]
fn a_full_pool_says_so() {
    let root = tempfile::tempdir().unwrap();
    let pool = root.path().join("pool");
    let home = home(root.path(), "x", 0);
    let held: Vec<_> =
        (0..SLOTS).map(|i| Slot::claim(&pool, &i.to_string(), &home).unwrap()).collect();
    assert!(matches!(Slot::claim(&pool, "x", &home), Err(PoolError::Full { .. })));
    drop(held);
    assert!(Slot::claim(&pool, "x", &home).is_ok());
}
