use proptest::prelude::*;

use super::*;
use crate::{
    removal::footprint,
    sample::Sample,
    tree::{Content, Kind, NodeId},
};

/// Files of 5,000 bytes, two blocks; what ends in `/` is a directory.
fn tree_of(paths: &[&str]) -> Sample {
    let mut sample = Sample::new();
    for path in paths {
        if path.ends_with('/') || sample.names().iter().all(|name| name != path) {
            sample.put_file(path, [0; 5000]);
        }
    }
    sample
}

fn only(excess: Excess) -> Options {
    Options { excesses: [excess].into(), ..Options::default() }
}

#[track_caller]
fn check(excess: Excess, before: &[&str], after: &[&str]) {
    let mut sample = tree_of(before);
    let held = total(&sample.tree);
    let report = optimise(&mut sample.tree, &only(excess));
    assert_eq!(report.parts[0].freed().bytes, held - total(&sample.tree));
    assert_eq!(sample.names(), tree_of(after).names());
}

fn total(tree: &Tree) -> u64 {
    tree.links().keys().map(|id| footprint(tree.node(*id))).sum()
}

#[test]
fn package_managers_keep_their_directories() {
    check(
        Excess::Apt,
        &[
            "var/cache/apt/pkgcache.bin",
            "var/cache/apt/archives/partial/",
            "var/cache/apt/archives/vim.deb",
            "var/lib/apt/lists/partial/",
            "var/lib/apt/lists/deb_dists_InRelease",
            "var/lib/apt/extended_states",
            "var/cache/debconf/templates.dat",
            "var/cache/debconf/templates.dat-old",
            "var/lib/dpkg/status",
            "var/lib/dpkg/status-old",
            "var/lib/dpkg/info/not-old",
        ],
        &[
            "var/cache/apt/archives/partial/",
            "var/lib/apt/lists/partial/",
            "var/lib/apt/extended_states",
            "var/cache/debconf/templates.dat",
            "var/lib/dpkg/status",
            "var/lib/dpkg/info/not-old",
        ],
    );
    check(
        Excess::Apk,
        &["var/cache/apk/APKINDEX.tar.gz", "lib/apk/db/installed"],
        &["var/cache/apk/", "lib/apk/db/installed"],
    );
    check(
        Excess::Dnf,
        &["var/cache/dnf/r/a.rpm", "var/cache/yum/x86_64/b", "var/lib/dnf/history.sqlite"],
        &["var/cache/dnf/", "var/cache/yum/", "var/lib/dnf/history.sqlite"],
    );
}

#[test]
fn caches_of_every_home_go() {
    check(
        Excess::Pip,
        &[
            "root/.cache/pip/http/a",
            "home/a/.cache/pip/b",
            "home/a/.cache/other",
            "app/.cache/pip/c",
        ],
        &["root/.cache/pip/", "home/a/.cache/pip/", "home/a/.cache/other", "app/.cache/pip/c"],
    );
    check(
        Excess::Npm,
        &["root/.npm/_cacache/a/b", "root/.npm/_logs/c", "root/.npm/_keep"],
        &["root/.npm/_cacache/", "root/.npm/_logs/", "root/.npm/_keep"],
    );
}

#[test]
fn licences_stay() {
    check(
        Excess::Documents,
        &[
            "usr/share/doc/bash/copyright",
            "usr/share/doc/bash/examples/loadables/cat.c",
            "usr/share/doc/vim/README.gz",
            "usr/share/doc/go/LICENSE.txt",
            "usr/share/doc/rust/Copying",
            "usr/share/doc/licensecheck/README",
            "usr/share/doc-base/bash",
        ],
        &[
            "usr/share/doc/bash/copyright",
            "usr/share/doc/go/LICENSE.txt",
            "usr/share/doc/rust/Copying",
            "usr/share/doc-base/",
        ],
    );
}

#[test]
fn manuals_leave_their_sections() {
    check(
        Excess::Manuals,
        &["usr/share/man/man1/ls.1.gz", "usr/share/man/de/man1/ls.1.gz", "var/cache/man/index.db"],
        &["usr/share/man/man1/", "var/cache/man/"],
    );
    check(Excess::Info, &["usr/share/info/dir"], &["usr/share/info/"]);
}

#[test]
fn kept_languages_stay() {
    check(
        Excess::Locales,
        &[
            "usr/share/locale/locale.alias",
            "usr/share/locale/de/LC_MESSAGES/a.mo",
            "usr/share/locale/en_GB/LC_MESSAGES/a.mo",
            "usr/lib/locale/C.utf8/LC_CTYPE",
        ],
        &[
            "usr/share/locale/locale.alias",
            "usr/share/locale/en_GB/LC_MESSAGES/a.mo",
            "usr/lib/locale/C.utf8/LC_CTYPE",
        ],
    );
}

#[test]
fn logs_are_emptied_and_links_in_their_place_stay() {
    let mut sample = tree_of(&["var/log/a.log.1", "var/log/journal/1/s.journal"]);
    let log = sample.put_file("var/log/a.log", [1; 5000]);
    sample.put_link("var/log/nginx/access.log", "/dev/stdout");
    let report = optimise(&mut sample.tree, &only(Excess::Logs));
    assert_eq!(report.parts[0].freed(), Freed { names: 2, bytes: 3 * 8192 });
    let expected = [
        "var",
        "var/log",
        "var/log/a.log",
        "var/log/journal",
        "var/log/journal/1",
        "var/log/nginx",
        "var/log/nginx/access.log",
    ];
    assert_eq!(sample.names(), expected);
    assert_eq!(sample.tree.node(log).kind, Kind::File(Content::default()));
}

#[test]
fn a_hard_link_frees_its_blocks_once_and_only_with_its_last_name() {
    let check = |elsewhere: bool, bytes| {
        let mut sample = Sample::new();
        let file = sample.put_file("var/cache/dnf/a", [0; 5000]);
        let cache = sample.put("var/cache/dnf/", Kind::Fifo);
        sample.tree.link(cache, (*b"b").into(), file);
        if elsewhere {
            sample.tree.link(Tree::ROOT, (*b"c").into(), file);
        }
        let report = optimise(&mut sample.tree, &only(Excess::Dnf));
        assert_eq!(report.parts[0].freed(), Freed { names: 2, bytes });
    };
    check(true, 0);
    check(false, 8192);
}

#[test]
fn links_are_not_followed() {
    let mut sample = tree_of(&["data/precious", "data/apt/pkgcache.bin"]);
    sample.put_link("usr/share/doc", "../../data");
    sample.put_link("var/cache", "/data");
    sample.put_link("var/log", "../../../../data");
    let before = sample.tree.clone();
    let report = optimise(&mut sample.tree, &Options::default());
    assert_eq!(sample.tree, before);
    assert_eq!(report.parts.len(), Excess::ALL.len());
    assert!(report.parts.iter().all(|part| part.places.is_empty()));
}

/// As deep as a path can be.
#[test]
fn deep_directories_go() {
    let mut sample = Sample::new();
    sample.put_file(&format!("var/cache/dnf/{}file", "a/".repeat(2040)), "anything");
    let report = optimise(&mut sample.tree, &only(Excess::Dnf));
    assert_eq!(report.parts[0].freed().names, 2041);
    assert_eq!(sample.names(), ["var", "var/cache", "var/cache/dnf"]);
}

proptest! {
    /// Whatever stands where: what a report says is what was freed, a second run finds nothing, and
    /// nothing is touched outside of the places.
    #[test]
    fn reports_are_true(paths in proptest::collection::vec(any_path(), 0..40)) {
        let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
        let mut tree = tree_of(&paths).tree;
        let before = tree.clone();
        let report = optimise(&mut tree, &Options::default());
        let freed = report.parts.iter().fold(Freed::default(), |mut sum, part| {
            sum += part.freed();
            sum
        });
        prop_assert_eq!(freed.bytes, total(&before) - total(&tree));
        prop_assert_eq!(freed.names, (before.walk().count() - tree.walk().count()) as u64);
        let outside = |tree: &Tree| -> Vec<_> {
            let own = |(path, _): &(Vec<u8>, NodeId)| path.starts_with(b"app");
            tree.walk().filter(own).collect()
        };
        prop_assert_eq!(outside(&before), outside(&tree));
        let again = optimise(&mut tree, &Options::default());
        prop_assert!(again.parts.iter().all(|part| part.freed().is_nothing()));
    }
}

fn any_path() -> impl Strategy<Value = String> {
    let starts = [
        "var/cache/apt",
        "var/log",
        "usr/share/doc",
        "usr/share/man",
        "usr/share/locale",
        "app",
        "var/lib/dpkg",
        "root/.npm/_logs",
        "home/x/.cache/pip",
        "",
    ];
    let names = ["a", "man1", "copyright", "a-old", "de", "en", "log.1"];
    let below = proptest::collection::vec(proptest::sample::select(names.to_vec()), 1..4);
    (proptest::sample::select(starts.to_vec()), below, any::<bool>()).prop_map(
        |(start, below, is_directory)| {
            let ending = if is_directory { "/" } else { "" };
            format!("{start}/{}{ending}", below.join("/"))
        },
    )
}
