use proptest::prelude::*;

use super::*;
use crate::tree::{Kind, Tree};

const NETRC: &str = "machine h login l password p";

#[test]
fn links_on_the_way_are_followed_inside_the_tree() {
    let check = |link: &str, target: &str| {
        let mut sample = Sample::new();
        sample.put_file("data/credentials", "anything");
        sample.put_link(link, target);
        let report = hardened(&mut sample);
        assert_eq!(report.removed.len(), 1, "{link} -> {target}");
        assert_eq!(report.removed[0].paths, [b"data/credentials".to_vec()]);
    };
    check("root/.aws", "../data");
    check("root/.aws", "/data");
    check("root/.aws", "../../../../data");
    check("root/.aws/credentials", "/data/credentials");
    check("root/.aws/credentials", "../../data/../data/./credentials");
}

#[test]
fn links_that_lead_nowhere_are_left_alone() {
    for target in ["/dev/null", "missing", ".", "..", "/", "loop", "../root/.bash_history", ""] {
        let mut sample = Sample::new();
        sample.put("dev/null", Kind::CharacterDevice { major: 1, minor: 3 });
        sample.put_link("root/.bash_history", target);
        sample.put_link("root/loop", "../root/loop/loop");
        sample.put_link("root/.aws", target);
        let before = sample.tree.clone();
        assert_eq!(hardened(&mut sample).removed, [], "{target}");
        assert_eq!(sample.tree, before);
    }
}

#[test]
fn a_secret_goes_with_all_of_its_names() {
    let mut sample = Sample::new();
    let file = sample.put_file("root/.netrc", NETRC);
    sample.put("b/", Kind::Fifo);
    let directory = sample.put("b/", Kind::Fifo);
    sample.tree.link(directory, (*b"c").into(), file);
    sample.tree.link(Tree::ROOT, (*b"a").into(), file);
    let report = hardened(&mut sample);
    assert_eq!(sample.names(), ["b", "root"]);
    let names: Vec<_> = report.removed[0].paths.iter().map(Vec::as_slice).collect();
    assert_eq!(names, [b"a".as_slice(), b"b/c", b"root/.netrc"]);
    assert_eq!(report.removed[0].freed, crate::Freed { names: 3, bytes: 4096 });
}

#[test]
fn links_out_of_the_root_are_told() {
    let check = |path: &str, target: &str, expected: bool| {
        let mut sample = Sample::new();
        sample.put("usr/lib/", Kind::Fifo);
        sample.put_link("lib", "usr/lib");
        sample.put_link(path, target);
        let report = hardened(&mut sample);
        let found: Vec<_> = report.escapes.iter().map(|one| one.path.clone()).collect();
        let expected: Vec<_> = expected.then(|| path.as_bytes().to_vec()).into_iter().collect();
        assert_eq!(found, expected, "{path} -> {target}");
    };
    check("etc/a", "../../etc/passwd", true);
    check("etc/a", "../etc/passwd", false);
    check("etc/a", "/etc/passwd", false);
    check("etc/a", "/../etc/passwd", true);
    check("etc/a", "missing/../../..", true);
    // Through a link `..` is of where that leads.
    check("etc/a", "../lib/../../b", false);
    check("etc/a", "../lib/../../../b", true);
    check("etc/mtab", "../proc/self/mounts", false);
    check("dev/stdin", "/proc/self/fd/0", false);
    check("etc/a", "/proc/1/root/etc/shadow", true);
    check("etc/a", "/proc/self/task/7/cwd", true);
}

proptest! {
    /// However links are laid, nothing that is no secret goes, and what is one goes.
    #[test]
    fn no_link_leads_astray(links in proptest::collection::vec(any_link(), 0..12)) {
        let mut sample = Sample::new();
        sample.put_file("root/.netrc", NETRC);
        sample.put_file("data/precious", "anything");
        for (path, target) in &links {
            if !sample.names().contains(path) {
                sample.put_link(path, target);
            }
        }
        let before = sample.names();
        let report = hardened(&mut sample);
        let mut expected = before.clone();
        expected.retain(|name| name != "root/.netrc");
        prop_assert_eq!(sample.names(), expected);
        prop_assert_eq!(report.removed.len(), 1);
        prop_assert!(hardened(&mut sample).removed.is_empty());
    }
}

fn any_link() -> impl Strategy<Value = (String, String)> {
    let names =
        ["root/.aws", "root/a", "etc/machine-id", "a", ".docker", "data/.kube", "run/secrets"];
    let targets =
        ["/", "..", "a", "../root", "/root/.aws", "../../..", "a/a", "/a/.docker", "data"];
    let one = |of: &[&'static str]| proptest::sample::select(of.to_vec()).prop_map(str::to_owned);
    (one(&names), one(&targets))
}
