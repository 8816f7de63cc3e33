//! Files with holes: what the guest's agent and GNU tar write comes out as it was, holes and all,
//! and no other map is taken.

use std::process::Command;

use kiln_archive::InvalidMap;
use kiln_forge::sign;

use super::*;

/// Bytes that differ from block to block.
fn pattern(length: u64) -> Vec<u8> {
    (0..length).map(|at| u8::try_from((at / 512 + at) % 255 + 1).unwrap()).collect()
}

/// What a file is that has `data` where `map` says.
fn content(map: &[(u64, u64)], size: u64, data: &[u8]) -> Vec<u8> {
    let mut content = vec![0; usize::try_from(size).unwrap()];
    let mut data = data.iter();
    for &(offset, length) in map {
        let at = usize::try_from(offset).unwrap();
        let place = &mut content[at..at + usize::try_from(length).unwrap()];
        place.iter_mut().zip(&mut data).for_each(|(byte, data)| *byte = *data);
    }
    content
}

fn agents(map: &[(u64, u64)], size: u64) -> (Vec<u8>, Vec<u8>) {
    let data = pattern(map.iter().map(|(_, length)| length).sum());
    let map: Vec<_> = map.iter().copied().chain([(size, 0)]).collect();
    let archive = Forge::default()
        .holes("file", &map, size, &data)
        .member(b'0', "after", "", 0o644, b"text")
        .end();
    (archive, content(&map, size, &data))
}

fn limits() -> Limits {
    Limits { entries: 1000, depth: 16, bytes: 1 << 20, holes: 1 << 40 }
}

#[test]
fn what_the_agent_writes_comes_out_as_it_was() {
    let check = |map: &[(u64, u64)], size| {
        let place = Place::new();
        let (archive, content) = agents(map, size);
        assert_eq!(place.unpack(&archive).unwrap(), Vec::<String>::new());
        assert!(fs::read(place.dest().join("file")).unwrap() == content, "{map:?} {size}");
        assert_eq!(fs::read(place.dest().join("after")).unwrap(), b"text");
        let metadata = place.dest().join("file").metadata().unwrap();
        assert_eq!(metadata.mtime(), TIME);
        // A block of a file system may be wider than a segment.
        let most = map.len() as u64 * 8192;
        assert!(metadata.blocks() * 512 <= most, "{map:?} {size}: {} blocks", metadata.blocks());
        place.nothing_outside();
    };
    check(&[], 1 << 20);
    check(&[(0, 512)], 1 << 20);
    check(&[(1 << 20, 100)], (1 << 20) + 100);
    check(&[(0, 4096), (4096, 512), (16384, 512)], 100_000);
    for segments in [3, 4, 5, 23, 24, 25, 26, 45, 46, 200] {
        let map: Vec<_> = (0..segments).map(|number| (number * 8192 + 4096, 512)).collect();
        check(&map, segments * 8192 + 1);
        check(&map, (segments - 1) * 8192 + 4096 + 512);
    }
}

#[test]
fn a_terabyte_of_holes_takes_no_disk() {
    let place = Place::new();
    let map = [(1 << 39, 512), (1 << 40, 0)];
    let archive = Forge::default().holes("file", &map, 1 << 40, &[7; 512]).end();
    unpack(&archive[..], &place.dest(), limits(), Links::Inside, drop).unwrap();
    let metadata = place.dest().join("file").metadata().unwrap();
    assert_eq!(metadata.len(), 1 << 40);
    assert!(metadata.blocks() * 512 < 1 << 20, "{} blocks", metadata.blocks());
    // One after the other, as much as the limit and no more.
    let twice = [&archive[..1024], &archive[..]].concat();
    let unpacked = unpack(&twice[..], &place.dest(), limits(), Links::Inside, drop);
    let too_hollow = matches!(unpacked, Err(UnpackError::Read(ReadError::TooHollow { .. })));
    assert!(too_hollow, "{unpacked:?}");
}

#[test]
fn long_names_and_attributes_go_with_holes() {
    let place = Place::new();
    let name = "long".repeat(40);
    let archive = Forge::default()
        .long_name(&name)
        .holes("cut", &[(4096, 0)], 4096, b"")
        .pax(&[("SCHILY.xattr.user.a", "b")])
        .holes("attributes", &[(512, 512), (4096, 0)], 4096, &[7; 512])
        .member(b'1', "linked", "attributes", 0o644, b"")
        .end();
    place.unpack(&archive).unwrap();
    assert_eq!(fs::read(place.dest().join(name)).unwrap(), [0; 4096]);
    let expected = content(&[(512, 512)], 4096, &[7; 512]);
    assert_eq!(fs::read(place.dest().join("linked")).unwrap(), expected);
}

/// Both ways: GNU tar's own, and that it takes the agent's as we do.
#[test]
fn gnu_tar_agrees() {
    let tar = |arguments: &[&str], directory: &Path| {
        let output = Command::new("tar").args(arguments).current_dir(directory).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        output.stdout
    };
    if !tar(&["--version"], Path::new("/")).starts_with(b"tar (GNU tar)") {
        return;
    }
    let many: Vec<_> = (0..60).map(|number| (number * 65536 + 8192, 4096)).collect();
    for (map, size) in [
        (&[][..], 1 << 20),
        (&[(0, 4096)], 1 << 20),
        (&[(1 << 20, 300)], (1 << 20) + 300),
        (&[(65536, 4096), (131_072, 8192)], 1_000_001),
        (&many, 60 * 65536),
    ] {
        let (archive, content) = agents(map, size);
        let place = Place::new();
        fs::write(place.outside().join("agent.tar"), archive).unwrap();
        tar(&["-xSf", "agent.tar"], &place.outside());
        let path = place.outside().join("file");
        assert!(fs::read(&path).unwrap() == content, "{map:?} {size}");
        for detection in ["--hole-detection=seek", "--hole-detection=raw"] {
            let archive =
                tar(&["-c", "--format=gnu", "--sparse", detection, "file"], &place.outside());
            assert_eq!(archive[156], b'S', "{map:?} {size}: the file has no holes");
            assert_eq!(place.unpack(&archive).unwrap(), Vec::<String>::new());
            let ours = place.dest().join("file");
            assert!(fs::read(&ours).unwrap() == content, "{map:?} {size} {detection}");
            let blocks = |path: &Path| path.metadata().unwrap().blocks();
            assert!(blocks(&ours) <= blocks(&path), "{map:?} {size} {detection}");
        }
    }
}

#[track_caller]
fn refused(archive: &[u8], expected: InvalidMap) {
    let place = Place::new();
    match unpack(archive, &place.dest(), limits(), Links::Inside, drop) {
        Err(UnpackError::Read(ReadError::Map { source, .. })) => assert_eq!(source, expected),
        other => panic!("{other:?}"),
    }
    assert_eq!(fs::read_dir(place.dest()).unwrap().count(), 0, "something was made");
    place.nothing_outside();
}

#[test]
fn maps_that_make_no_sense_are_refused() {
    let check = |map: &[(u64, u64)], size, expected| {
        let data = vec![7; 4096];
        refused(&Forge::default().holes("file", map, size, &data).end(), expected);
    };
    check(&[(0, 1024), (512, 512), (4096, 0)], 4096, InvalidMap::Order);
    check(&[(1024, 512), (0, 512), (4096, 0)], 4096, InvalidMap::Order);
    check(&[(4096, 512), (4096, 0)], 8192, InvalidMap::Order);
    check(&[(4096, 512)], 4096, InvalidMap::Beyond { size: 4096 });
    check(&[(8192, 0)], 4096, InvalidMap::Beyond { size: 4096 });
    let most = i64::MAX as u64;
    check(&[(most, most)], 4096, InvalidMap::Beyond { size: 4096 });
    check(&[(most, most)], most, InvalidMap::Beyond { size: most });
    check(&[(u64::MAX, 512)], 4096, InvalidMap::Number { field: "offset" });
    check(&[(0, 512)], u64::MAX, InvalidMap::Number { field: "realsize" });
    check(&[(0, 100), (1024, 512)], 1536, InvalidMap::Unaligned);
    check(&[(0, 512), (1024, 0), (2048, 512)], 2560, InvalidMap::Unaligned);
    check(&[(4096, 0), (4096, 0)], 4096, InvalidMap::Unaligned);
    check(&[(0, 512)], 4096, InvalidMap::Ends { end: 512, size: 4096 });
    check(&[(0, 512), (2048, 0)], 4096, InvalidMap::Ends { end: 2048, size: 4096 });
    check(&[], 4096, InvalidMap::Ends { end: 0, size: 4096 });
    check(&[], 0, InvalidMap::Ends { end: 0, size: 0 });
}

#[test]
fn headers_that_do_not_fit_their_map_are_refused() {
    let check = |change: &dyn Fn(&mut [u8]), expected| {
        let map: Vec<_> = (0..6).map(|number| (number * 1024, 512)).collect();
        let mut archive = Forge::default().holes("file", &map, 5632, &[7; 3072]).end();
        change(&mut archive);
        sign(&mut archive[..512]);
        refused(&archive, expected);
    };
    let sum = |data| InvalidMap::Sum { mapped: 3072, data };
    check(&|archive| archive[124..136].copy_from_slice(b"00000006001\0"), sum(3073));
    check(&|archive| archive[124..136].copy_from_slice(b"00000000000\0"), sum(0));
    check(&|archive| archive[410..434].fill(0), InvalidMap::Gap);
    check(&|archive| archive[458..482].fill(0), InvalidMap::Gap);
    check(&|archive| archive[422] = 0, InvalidMap::Number { field: "numbytes" });
    check(&|archive| archive[482] = b'1', InvalidMap::Number { field: "isextended" });
    check(&|archive| archive[482] = 0, InvalidMap::Ends { end: 3584, size: 5632 });
    check(&|archive| archive[483] = b'-', InvalidMap::Number { field: "realsize" });
    check(&|archive| archive[512..1024].fill(0), InvalidMap::Gap);
    check(&|archive| archive[512 + 504] = 1, InvalidMap::Gap);
    check(&|archive| archive[512 + 505] = 1, InvalidMap::Gap);
    check(&|archive| archive[512 + 72] = b'0', InvalidMap::Gap);
}

#[test]
fn what_else_disagrees_with_holes_is_refused() {
    let holes = || Forge::default().holes("file", &[(0, 512), (4096, 0)], 4096, &[7; 512]).0;
    let check =
        |archive: &[u8], is_right: fn(&ReadError) -> bool| match Place::new().unpack(archive) {
            Err(UnpackError::Read(error)) => assert!(is_right(&error), "{error:?}"),
            other => panic!("{other:?}"),
        };
    let changed = |at: usize, to: &[u8]| {
        let mut archive = holes();
        archive[at..at + to.len()].copy_from_slice(to);
        sign(&mut archive[..512]);
        archive
    };
    let is_header = |error: &ReadError| matches!(error, ReadError::Header { .. });
    check(&changed(257, b"ustar\x0000"), is_header);
    check(&changed(345, b"1"), is_header);
    check(&changed(385, b"1"), is_header);
    check(&changed(495, b"1"), is_header);
    let is_ambiguous = |error: &ReadError| matches!(error, ReadError::Ambiguous { .. });
    check(&changed(0, b"file/"), is_ambiguous);
    let sized = Forge::default().pax(&[("size", "512")]).0;
    check(&[sized, holes()].concat(), is_ambiguous);
    let linked = Forge::default().long_link("other").0;
    check(&[linked, holes()].concat(), is_ambiguous);
    for key in ["GNU.sparse.major", "GNU.sparse.map", "GNU.sparse.realsize", "GNU.sparse.name"] {
        let pax = Forge::default().pax(&[(key, "1")]).0;
        check(&[pax, holes()].concat(), |error| matches!(error, ReadError::Pax { .. }));
    }
    for length in (0..holes().len() - 1).step_by(100) {
        check(&holes()[..length], |error| matches!(error, ReadError::Truncated));
    }
}
