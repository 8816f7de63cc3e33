//! What a VMM that was taken over may have left in its directory for the next start.

use std::{
    fs::{self, Permissions},
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink},
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
};

use kiln_jail::{Access, JailPath, LaunchFailure, PathFault, Profile};

use crate::machine::Machine;

/// Makes a machine whose `name` is what `plant` makes of it, and says what its start says.
fn fault(name: &str, access: Access, plant: impl FnOnce(&Path, &Path)) -> (PathFault, Metadata) {
    let host = tempfile::tempdir().unwrap();
    let victim = host.path().join("victim");
    let machine = Machine::new();
    let path = machine.path(name);
    match access {
        Access::Write => fs::write(&victim, "the host's").unwrap(),
        _ => fs::create_dir(&victim).unwrap(),
    }
    fs::set_permissions(&victim, Permissions::from_mode(0o700)).unwrap();
    plant(&path, &victim);
    let mut jail = machine.jail(Profile::Qemu);
    jail.paths.retain(|given| given.path != path);
    jail.paths.push(JailPath { path: path.clone(), access });
    let before = metadata(&victim);
    let Err(failure) = machine.start_in(&jail, &["sleep"]) else { panic!("{name} was taken") };
    assert_eq!(metadata(&victim), before, "{name}");
    match failure {
        LaunchFailure::Path { path: named, fault } => {
            assert_eq!(named, path);
            (fault, before)
        }
        other => panic!("{other}"),
    }
}

/// Owner, group, mode, and how many names.
type Metadata = (u32, u32, u32, u64);

fn metadata(path: &Path) -> Metadata {
    let metadata = fs::metadata(path).unwrap();
    (metadata.uid(), metadata.gid(), metadata.mode(), metadata.nlink())
}

fn remove(path: &Path) {
    let _absent = fs::remove_file(path);
    let _absent = fs::remove_dir_all(path);
}

pub(crate) fn links_on_the_way_are_refused() {
    let check = |name: &str, access, expected: PathFault, plant: &dyn Fn(&Path, &Path)| {
        assert_eq!(fault(name, access, plant).0, expected, "{name} {access:?}");
    };
    let link = |path: &Path, victim: &Path| {
        remove(path);
        symlink(victim, path).unwrap();
    };
    let parent = |path: &Path, victim: &Path| {
        // Its directory leads away; whatever is wanted is there.
        fs::write(victim.parent().unwrap().join("inner"), "the host's").unwrap();
        symlink(victim.parent().unwrap(), path.parent().unwrap()).unwrap();
    };
    for access in [Access::Write, Access::Sockets, Access::Files] {
        check("disk", access, PathFault::Link, &link);
        check("run", access, PathFault::Link, &link);
    }
    for access in [Access::Read, Access::Execute, Access::Write, Access::Sockets, Access::Files] {
        check("away/inner", access, PathFault::Link, &parent);
    }
    check("disk", Access::Write, PathFault::Links { links: 2 }, &|path, victim| {
        remove(path);
        fs::hard_link(victim, path).unwrap();
    });
    check(
        "disk",
        Access::Write,
        PathFault::Kind { expected: kiln_jail::Kind::File },
        &|path, _| {
            remove(path);
            rustix::fs::mknodat(
                rustix::fs::CWD,
                path,
                rustix::fs::FileType::CharacterDevice,
                0o600.into(),
                rustix::fs::makedev(1, 3),
            )
            .unwrap();
        },
    );
    check(
        "run",
        Access::Sockets,
        PathFault::Kind { expected: kiln_jail::Kind::Directory },
        &|path, _| fs::write(path, "no directory").unwrap(),
    );
}

/// A daemon that was taken over owns the directory in which the machines' are.
pub(crate) fn a_name_that_leads_elsewhere_is_never_opened() {
    let host = tempfile::tempdir().unwrap();
    let machine = Machine::new();
    let names = ["disk", "kernel", "run", "shot"];
    for name in &names[..2] {
        fs::write(host.path().join(name), "the host's").unwrap();
    }
    for name in &names[2..] {
        fs::create_dir(host.path().join(name)).unwrap();
    }
    let before = names.map(|name| metadata(&host.path().join(name)));
    let within = fs::File::open(machine.directory()).unwrap();
    let moved = machine.directory().with_extension("moved");
    fs::rename(machine.directory(), &moved).unwrap();
    symlink(host.path(), machine.directory()).unwrap();
    let jail = machine.jail(Profile::Qemu);
    let program = machine.launch_within(&within, &jail, &["sleep"], &[]).unwrap();
    assert_eq!(names.map(|name| metadata(&host.path().join(name))), before);
    assert_eq!(metadata(&moved.join("disk")).0, machine.user);
    drop(program);
    fs::remove_file(machine.directory()).unwrap();
    fs::rename(&moved, machine.directory()).unwrap();
}

/// Somebody swaps a disk for a link, behind the launcher's back and as fast as he can: what is
/// handed over is what was checked.
pub(crate) fn nothing_is_changed_by_a_refusal() {
    let host = tempfile::tempdir().unwrap();
    let victim = host.path().join("victim");
    fs::write(&victim, "the host's").unwrap();
    let before = metadata(&victim);
    let machine = Machine::new();
    let jail = machine.jail(Profile::VhostDeviceVsock);
    let path = machine.path("disk");
    let (link, file) = (machine.path("link"), machine.path("file"));
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let _stopped = Stop(&over);
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                symlink(&victim, &link).unwrap();
                fs::rename(&link, &path).unwrap();
                fs::write(&file, "a disk").unwrap();
                fs::rename(&file, &path).unwrap();
            }
        });
        let mut refused = 0;
        for _ in 0..200 {
            match machine.start_in(&jail, &["sleep"]) {
                Ok(program) => drop(program),
                Err(LaunchFailure::Path { fault, .. }) => {
                    assert!(matches!(fault, PathFault::Link | PathFault::Links { .. }), "{fault}");
                    refused += 1;
                }
                // It was taken away between two looks.
                Err(LaunchFailure::Mount { path: taken, .. }) => assert_eq!(taken, path),
                Err(other) => panic!("{other}"),
            }
        }
        println!("{refused} of 200 starts met a link");
    });
    assert_eq!(metadata(&victim), before);
    assert_eq!(fs::read_to_string(&victim).unwrap(), "the host's");
}

/// Ends the swaps, however the starts go.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
