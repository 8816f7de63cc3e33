//! What is left of layers that take away what others brought.

use kiln_forge::Forge;

use crate::converted::{Refused, layers};
use kiln_rootfs::{ApplyError, Notes};

pub(crate) const TESTS: &[(&str, fn())] = &[
    (
        "whiteouts::whiteouts_take_away_what_lower_layers_have",
        whiteouts_take_away_what_lower_layers_have,
    ),
    (
        "whiteouts::opaque_directories_hide_what_lower_layers_have_in_them",
        opaque_directories_hide_what_lower_layers_have_in_them,
    ),
    (
        "whiteouts::what_takes_anothers_place_takes_all_of_it",
        what_takes_anothers_place_takes_all_of_it,
    ),
    (
        "whiteouts::the_last_of_several_entries_is_what_is_read",
        the_last_of_several_entries_is_what_is_read,
    ),
    ("whiteouts::hard_links_reach_into_lower_layers", hard_links_reach_into_lower_layers),
    (
        "whiteouts::names_that_only_look_like_whiteouts_are_told_apart",
        names_that_only_look_like_whiteouts_are_told_apart,
    ),
    ("whiteouts::directories_on_the_way_are_made", directories_on_the_way_are_made),
    ("whiteouts::what_is_said_of_the_root_counts", what_is_said_of_the_root_counts),
];

/// A tar of paths: `a/` is a directory, `a -> b` a link, `a = b` a hard link, and `a: text` a file.
pub(crate) fn tar(members: &[&str]) -> Vec<u8> {
    let long = |forge: Forge, name: &str| match name.len() {
        0..=100 => forge,
        _ => forge.long_name(name),
    };
    let add = |forge: Forge, member: &&str| {
        if let Some((name, target)) = member.split_once(" -> ") {
            let forge = if target.len() > 100 { forge.long_link(target) } else { forge };
            forge.member(b'2', name, target, 0o777, b"")
        } else if let Some((name, target)) = member.split_once(" = ") {
            forge.member(b'1', name, target, 0o644, b"")
        } else if let Some((name, text)) = member.split_once(": ") {
            forge.member(b'0', name, "", 0o644, text.as_bytes())
        } else if member.ends_with('/') {
            forge.member(b'5', member, "", 0o755, b"")
        } else {
            long(forge, member).member(b'0', member, "", 0o644, member.as_bytes())
        }
    };
    members.iter().fold(Forge::default(), add).end()
}

fn check(all: &[&[&str]], expected: &[&str]) {
    let all: Vec<_> = all.iter().map(|members| tar(members)).collect();
    assert_eq!(layers(&all).unwrap().paths(), expected);
}

fn whiteouts_take_away_what_lower_layers_have() {
    check(&[&["a", "b"], &[".wh.a"]], &["b"]);
    check(&[&["d/", "d/a", "d/e/", "d/e/b"], &["d/.wh.e"]], &["d/", "d/a"]);
    check(&[&["d/", "d/a"], &[".wh.d", "d/", "d/b"]], &["d/", "d/b"]);
    check(&[&["d/", "d/a"], &["d/", "d/b", ".wh.d"]], &["d/", "d/b"]);
    check(&[&["a: old"], &["a: new", ".wh.a"]], &["a"]);
    check(&[&["a: old"], &[".wh.a", "a: new"]], &["a"]);
    check(&[&["a"], &[".wh.a"], &["a"]], &["a"]);
    check(&[&["a"], &[".wh.a"], &[".wh.a"]], &[]);
    // The directory that it stands in need not be there, nor is it made.
    check(&[&["a"], &["x/y/.wh.z"]], &["a"]);
    check(&[&["a"], &["a/.wh.z"]], &["a"]);
}

fn opaque_directories_hide_what_lower_layers_have_in_them() {
    let lower: &[&str] = &["d/", "d/a", "d/e/", "d/e/b", "x"];
    check(&[lower, &["d/", "d/.wh..wh..opq", "d/c"]], &["d/", "d/c", "x"]);
    check(&[lower, &["d/", "d/c", "d/.wh..wh..opq"]], &["d/", "d/c", "x"]);
    check(&[lower, &["d/e/", "d/e/c", "d/.wh..wh..opq"]], &["d/", "d/e/", "d/e/c", "x"]);
    check(&[lower, &["d/e/c", "d/.wh..wh..opq"]], &["d/", "d/e/", "d/e/c", "x"]);
    check(&[lower, &["d/.wh..wh..opq", "d/e/c"]], &["d/", "d/e/", "d/e/c", "x"]);
    check(&[lower, &[".wh..wh..opq"]], &[]);
    check(&[lower, &["y/.wh..wh..opq"]], &["d/", "d/a", "d/e/", "d/e/b", "x"]);
    check(&[lower, &["d/.wh..wh..opq"], &["d/n"]], &["d/", "d/n", "x"]);
}

fn what_takes_anothers_place_takes_all_of_it() {
    check(&[&["d/", "d/a"], &["d: file"]], &["d"]);
    check(&[&["d/", "d/a"], &["d -> x"]], &["d"]);
    check(&[&["d: file"], &["d/", "d/a"]], &["d/", "d/a"]);
    check(&[&["e/", "e/a", "d -> e"], &["d/", "d/b"]], &["d/", "d/b", "e/", "e/a"]);
    check(&[&["d/", "d/a"], &["d/"]], &["d/", "d/a"]);
    // Of several entries of one path the last one counts.
    check(&[&["a: 1", "a: 2", "a/", "a/b"]], &["a/", "a/b"]);
    check(&[&["a/", "a/b", "a: 2"]], &["a"]);
    check(&[&["a: 1"], &["a: longer"]], &["a"]);
}

fn the_last_of_several_entries_is_what_is_read() {
    let all = [tar(&["a: one", "b = a"]), tar(&["a: three", "c = a"])];
    let converted = layers(&all).unwrap();
    let reading = converted.reading();
    assert!(reading.fact("a").kind.starts_with("file of 5 bytes"));
    assert!(reading.fact("b").kind.starts_with("file of 3 bytes"));
    assert_eq!(
        reading.fact("c"),
        &crate::reading::Fact { first: b"a".into(), ..reading.fact("c").clone() }
    );
}

fn hard_links_reach_into_lower_layers() {
    let all = [tar(&["d/", "d/a: text"]), tar(&["b = d/a"]), tar(&[".wh.d"])];
    let converted = layers(&all).unwrap();
    assert_eq!(converted.paths(), ["b"]);
    assert!(converted.reading().fact("b").kind.starts_with("file of 4 bytes"));
    // To what was taken away, in a lower layer and in the same one.
    for upper in [tar(&["b = d/a"]), tar(&[".wh.d", "b = d/a"]), tar(&["b = d/none"])] {
        let refused = layers(&[tar(&["d/", "d/x"]), tar(&[".wh.d"]), upper]).unwrap_err();
        assert!(matches!(refused, Refused::Apply(ApplyError::NoSuchTarget { .. })), "{refused}");
    }
    let refused = layers(&[tar(&["d/", "b = d"])]).unwrap_err();
    assert!(matches!(refused, Refused::Apply(ApplyError::LinkToDirectory { .. })), "{refused}");
    // To itself it is there already, and what it replaces is no target.
    check(&[&["a", "a = a"]], &["a"]);
    let refused = layers(&[tar(&["a = a"])]).unwrap_err();
    assert_eq!(refused.to_string(), "layer 1: a: it links to a, which is not there");
    let refused = layers(&[tar(&["d/", "d/a", "d = d/a"])]).unwrap_err();
    assert!(matches!(refused, Refused::Apply(ApplyError::NoSuchTarget { .. })), "{refused}");
    // A link to a link is the link.
    let converted = layers(&[tar(&["a", "l -> a", "m = l"])]).unwrap();
    assert_eq!(converted.reading().fact("m").kind, "link to \"a\"");
}

fn names_that_only_look_like_whiteouts_are_told_apart() {
    let union = tar(&[".wh..wh.aufs", ".wh..wh.plnk/", ".wh..wh.plnk/1.2", "a"]);
    let converted = layers(&[union, tar(&[".wh.b", "c/.wh.d"])]).unwrap();
    assert_eq!(converted.paths(), ["a"]);
    let notes = Notes { idle_whiteouts: 2, union_files: 3, overlay_attributes: 0 };
    assert_eq!(converted.applied.notes, notes);
    for wrong in [".wh.", ".wh..", ".wh...", ".wh.a/b", ".wh.a/", ".wh.a -> b", ".wh..wh..opq/"] {
        let refused = layers(&[tar(&[wrong])]).unwrap_err();
        assert!(
            matches!(refused, Refused::Apply(ApplyError::Reserved { .. })),
            "{wrong}: {refused}"
        );
    }
}

fn directories_on_the_way_are_made() {
    let converted = layers(&[tar(&["a/b/c"])]).unwrap();
    assert_eq!(converted.paths(), ["a/", "a/b/", "a/b/c"]);
    let reading = converted.reading();
    let made = reading.fact("a/b");
    assert_eq!((made.mode, made.owner, made.modified), (0o755, (0, 0), (kiln_forge::TIME, 0)));
    let refused = layers(&[tar(&["a", "a/b"])]).unwrap_err();
    assert_eq!(refused.to_string(), "layer 1: a/b: a stands in its way, and is no directory");
}

fn what_is_said_of_the_root_counts() {
    let root = Forge::default().member(b'5', "./", "", 0o1777, b"").owner(7, 8).end();
    let converted = layers(&[tar(&["a"]), root]).unwrap();
    let reading = converted.reading();
    assert_eq!((reading.fact("").mode, reading.fact("").owner), (0o1777, (7, 8)));
    assert_eq!(converted.paths(), ["a"]);
    let converted = layers(&[tar(&["a"])]).unwrap();
    assert_eq!(converted.reading().fact("").mode, 0o755);
}
