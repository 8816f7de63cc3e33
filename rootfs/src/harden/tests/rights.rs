use super::*;
use crate::tree::{Kind, Metadata, NodeId, Tree};

struct Rights {
    sample: Sample,
    all: NodeId,
}

/// A program with every right, and much that has none.
fn rights() -> Rights {
    let mut sample = Sample::new();
    let file = sample.file(b"program");
    let attributes = [(b"security.capability".as_slice().into(), b"\x01".as_slice().into())];
    let metadata = Metadata { mode: 0o6757, attributes: attributes.into(), ..Metadata::default() };
    let all = sample.add_with(Tree::ROOT, b"all", file, metadata);
    let with_mode = |mode| Metadata { mode, ..Metadata::default() };
    let directory = || Kind::Directory(std::collections::BTreeMap::new());
    sample.add_with(Tree::ROOT, b"groups", directory(), with_mode(0o2775));
    sample.add_with(Tree::ROOT, b"link", Kind::Symlink((*b"all").into()), with_mode(0o777));
    let null = Kind::CharacterDevice { major: 1, minor: 3 };
    sample.add_with(Tree::ROOT, b"null", null, with_mode(0o666));
    sample.add_with(Tree::ROOT, b"open", directory(), with_mode(0o777));
    let file = sample.file(b"plain");
    sample.add_with(Tree::ROOT, b"plain", file, with_mode(0o755));
    sample.add_with(Tree::ROOT, b"tmp", directory(), with_mode(0o1777));
    Rights { sample, all }
}

fn found(report: &Report) -> Vec<(&[u8], Privilege, bool)> {
    let one = |one: &'_ Privileged| one.privilege;
    report.privileged.iter().map(|r| (r.path.as_slice(), one(r), r.stripped)).collect()
}

#[test]
fn rights_are_told_and_stay() {
    let Rights { mut sample, .. } = rights();
    let before = sample.tree.clone();
    let report = hardened(&mut sample);
    let expected = [
        (b"all".as_slice(), Privilege::SetUser, false),
        (b"all", Privilege::SetGroup, false),
        (b"all", Privilege::Capabilities, false),
        (b"all", Privilege::WorldWritable, false),
        (b"open", Privilege::WorldWritable, false),
    ];
    assert_eq!(found(&report), expected);
    assert_eq!(sample.tree, before);
    let null = Device { path: b"null".to_vec(), is_block: false, major: 1, minor: 3 };
    assert_eq!(report.devices, [null]);
}

#[test]
fn each_right_is_stripped_by_its_own_rule() {
    let check = |policy: &Policy, mode: u16, capabilities: bool, open: u16| {
        let Rights { mut sample, all } = rights();
        let report = hardened_by(&mut sample, policy);
        assert_eq!(found(&report).len(), 5);
        let metadata = &sample.tree.node(all).metadata;
        assert_eq!((metadata.mode, metadata.attributes.len()), (mode, usize::from(capabilities)));
        let directory = sample.tree.child(Tree::ROOT, b"open").unwrap();
        assert_eq!(sample.tree.node(directory).metadata.mode, open);
    };
    let policy = Policy::default();
    check(&Policy { set_id: Rule::Strip, ..policy.clone() }, 0o757, true, 0o777);
    check(&Policy { capabilities: Rule::Strip, ..policy.clone() }, 0o6757, false, 0o777);
    check(&Policy { world_writable: Rule::Strip, ..policy }, 0o6755, true, 0o775);
}

#[test]
fn what_is_refused_is_named_and_nothing_is_changed() {
    let check = |policy: &Policy, expected: &str| {
        let Rights { mut sample, .. } = rights();
        sample.put_file("root/.netrc", "machine h login l password p");
        let before = sample.tree.clone();
        let error = harden(&mut sample.tree, &sample.store, policy).unwrap_err();
        let expected =
            format!("the policy refuses {expected}; remove what it names or choose another policy");
        assert_eq!(error.to_string(), expected);
        assert_eq!(sample.tree, before);
    };
    let policy = Policy { world_writable: Rule::Strip, ..Policy::default() };
    let refused = Policy { set_id: Rule::Refuse, ..policy.clone() };
    check(&refused, "/all (setuid), /all (setgid)");
    check(&Policy { capabilities: Rule::Refuse, ..policy.clone() }, "/all (with capabilities)");
    check(&Policy { devices: Devices::Refuse, ..policy }, "/null (a device)");
    let everything = Policy {
        set_id: Rule::Refuse,
        capabilities: Rule::Refuse,
        world_writable: Rule::Refuse,
        devices: Devices::Refuse,
        kept: Vec::new(),
    };
    let expected = "/all (setuid), /all (setgid), /all (with capabilities), \
                    /all (writable by everyone), /open (writable by everyone) and 1 more";
    check(&everything, expected);
}
