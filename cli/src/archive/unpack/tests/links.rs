//! Links in the way: those of the archive, those that were there before, and those that somebody
//! swaps in while we unpack. 40 and more cases.

use std::{
    os::unix::fs::symlink,
    sync::atomic::{AtomicBool, Ordering},
};

use super::*;

/// Members that would go through `door`, or take its place.
fn through_the_door() -> Vec<(&'static str, Vec<u8>, bool)> {
    let forge = Forge::default;
    vec![
        ("file through", forge().member(b'0', "door/file", "", 0o644, b"gotcha").end(), false),
        ("new file through", forge().member(b'0', "door/new", "", 0o644, b"gotcha").end(), false),
        ("deep through", forge().member(b'0', "door/a/b", "", 0o644, b"gotcha").end(), false),
        ("directory through", forge().member(b'5', "door/new", "", 0o755, b"").end(), false),
        ("link through", forge().member(b'2', "door/new", "x", 0o777, b"").end(), false),
        ("directory in place", forge().member(b'5', "door", "", 0o777, b"").end(), false),
        (
            "hard link through",
            forge()
                .member(b'0', "f", "", 0o644, b"")
                .member(b'1', "door/new", "f", 0o644, b"")
                .end(),
            false,
        ),
        ("hard link out", forge().member(b'1', "mine", "door/file", 0o644, b"").end(), false),
        ("hard link to it", forge().member(b'1', "mine", "door", 0o644, b"").end(), false),
        ("file in place", forge().member(b'0', "door", "", 0o644, b"mine").end(), true),
        ("link in place", forge().member(b'2', "door", "x", 0o777, b"").end(), true),
    ]
}

#[test]
fn a_link_that_was_there_before_is_never_followed() {
    for target in ["outside", "outside/file"] {
        for (what, archive, is_fine) in through_the_door() {
            let place = Place::new();
            symlink(place.base.path().join(target), place.dest().join("door")).unwrap();
            let unpacked = place.unpack(&archive);
            assert_eq!(unpacked.is_ok(), is_fine, "{what}: {unpacked:?}");
            place.nothing_outside();
        }
    }
}

#[test]
fn a_link_of_the_archive_is_never_followed() {
    for (what, archive, is_fine) in through_the_door() {
        let place = Place::new();
        let link = Forge::default()
            .member(b'5', "in", "", 0o755, b"")
            .member(b'2', "door", "in", 0o777, b"");
        let unpacked = place.unpack(&[link.0, archive].concat());
        assert_eq!(unpacked.is_ok(), is_fine, "{what}: {unpacked:?}");
        if unpacked.is_err() {
            assert_eq!(fs::read_dir(place.dest().join("in")).unwrap().count(), 0, "{what}");
        }
    }
}

#[test]
fn links_that_lead_out_are_left_out() {
    for target in ["/etc", "..", "../outside", "a/../../outside", "x/..", "./../outside/file"] {
        let place = Place::new();
        let archive = Forge::default().member(b'2', "door", target, 0o777, b"").end();
        let warnings = place.unpack(&archive).unwrap();
        assert_eq!(warnings.len(), 1, "{target}");
        assert!(warnings[0].starts_with("door is left out: it may lead out"), "{warnings:?}");
        assert!(place.dest().join("door").symlink_metadata().is_err());
    }
}

/// As a build's files are: what lies behind a link is safe from all that the archive has besides.
#[test]
fn links_that_lead_out_are_kept_where_asked_for_and_never_followed() {
    let outside = Place::new();
    let absolute = outside.outside();
    let targets = [absolute.to_str().unwrap(), "..", "../outside", "../outside/file", "/none"];
    for target in targets {
        let planted = || Forge::default().member(b'2', "door", target, 0o777, b"");
        let place = Place::new();
        let warnings = place.unpack_with(Links::AsTheyAre, &planted().end()).unwrap();
        assert_eq!(warnings, Vec::<String>::new(), "{target}");
        assert_eq!(fs::read_link(place.dest().join("door")).unwrap(), Path::new(target));
        for (what, archive, is_fine) in through_the_door() {
            let place = Place::new();
            let unpacked = place.unpack_with(Links::AsTheyAre, &[planted().0, archive].concat());
            assert_eq!(unpacked.is_ok(), is_fine, "{target}, {what}: {unpacked:?}");
            place.nothing_outside();
            outside.nothing_outside();
        }
    }
}

/// While files go into `door`, it is turned into a link to the outside and back.
#[test]
fn a_link_swapped_in_while_we_unpack_is_never_followed() {
    let forge = Forge::default().member(b'5', "door", "", 0o755, b"");
    let archive = (0..100)
        .fold(forge, |forge, number| {
            forge
                .member(b'0', &format!("door/{number}"), "", 0o644, b"gotcha")
                .member(b'5', &format!("door/d{number}"), "", 0o755, b"")
                .member(b'2', &format!("door/l{number}"), "x", 0o755, b"")
        })
        .end();
    let (mut stopped, mut swaps) = (0, 0);
    for _ in 0..40 {
        let place = Place::new();
        let is_over = AtomicBool::new(false);
        let unpacked = std::thread::scope(|scope| {
            let swapper = scope.spawn(|| {
                let door = place.dest().join("door");
                let aside = place.dest().join("aside");
                let link = place.dest().join("link");
                symlink(place.outside(), &link).unwrap();
                let mut count = 0;
                while !is_over.load(Ordering::Relaxed) {
                    // What is not there yet, or no more, comes in the next round.
                    if fs::rename(&door, &aside).is_ok() {
                        count += i32::from(fs::rename(&link, &door).is_ok());
                        std::thread::yield_now();
                        let _ = fs::rename(&door, &link);
                        let _ = fs::rename(&aside, &door);
                    }
                }
                count
            });
            let unpacked = place.unpack(&archive);
            is_over.store(true, Ordering::Relaxed);
            swaps += swapper.join().unwrap();
            unpacked
        });
        place.nothing_outside();
        if let Err(error) = unpacked {
            assert!(matches!(error, UnpackError::Tree(_)), "{error:?}");
            stopped += 1;
        }
    }
    assert!(swaps > 0 && stopped > 0, "nothing was swapped: {swaps} swaps, {stopped} noticed");
}
