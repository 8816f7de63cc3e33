//! What is known without being read.

use super::*;

/// Old enough for a change to show.
fn settle() {
    sleep(Duration::from_millis(2300));
}

fn known(tree: &Tree, cache: &TempDir) -> Identity {
    let cache = Cache::at(cache.path().to_owned());
    Context::of_build(tree.0.path(), Choice::Usual, cache).unwrap().identify().unwrap()
}

/// Writes another digest into what is remembered: whoever reads the files does not see it.
fn forge(cache: &TempDir) -> String {
    let forged = format!("sha256:{}", "ab".repeat(32));
    for entry in fs::read_dir(cache.path()).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        let at = text.find("sha256:").unwrap();
        fs::write(&path, text.replace(&text[at..at + 71], &forged)).unwrap();
    }
    forged
}

#[test]
fn nobody_reads_what_nobody_touched() {
    let (tree, cache) = (Tree::new(&[("Dockerfile", "FROM a\n"), ("a", "1")]), tempfile::tempdir());
    let cache = cache.unwrap();
    let fresh = known(&tree, &cache);
    assert_eq!(fs::read_dir(cache.path()).unwrap().count(), 0, "it may still change unseen");
    settle();
    let first = known(&tree, &cache);
    assert_eq!(first, fresh);
    let forged = forge(&cache);
    assert_eq!(known(&tree, &cache).digest, forged, "it was read");

    let check = |change: &dyn Fn()| {
        change();
        let found = known(&tree, &cache);
        assert_ne!(found.digest, forged, "a change was not seen");
        found
    };
    assert_ne!(check(&|| tree.write("a", "2")), first);
    assert_eq!(check(&|| tree.write("a", "1")).size, first.size);
    check(&|| tree.age("a"));
    check(&|| {
        let only_mine = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        fs::set_permissions(tree.path("a"), only_mine).unwrap();
    });
    check(&|| tree.write("new", ""));
    check(&|| fs::rename(tree.path("new"), tree.path("b")).unwrap());
    check(&|| fs::remove_file(tree.path("b")).unwrap());
    check(&|| tree.write(".dockerignore", "a"));
}

#[test]
fn what_turned_out_wrong_is_forgotten() {
    let (tree, cache) = (Tree::new(&[("Dockerfile", "FROM a\n")]), tempfile::tempdir().unwrap());
    settle();
    let right = known(&tree, &cache);
    let forged = forge(&cache);
    let at = Cache::at(cache.path().to_owned());
    let mut context = Context::of_build(tree.0.path(), Choice::Usual, at).unwrap();
    assert_eq!(context.identify().unwrap().digest, forged);
    context.renew().unwrap();
    assert_eq!(context.identify().unwrap(), right);
    assert_eq!(known(&tree, &cache), right);
}

#[test]
fn each_way_to_pack_a_directory_is_remembered_by_itself() {
    let cache = tempfile::tempdir().unwrap();
    let tree = Tree::new(&[
        ("Dockerfile", "FROM a\n"),
        ("other", "FROM b\n"),
        ("Dockerfile.dockerignore", "a"),
        (".dockerignore", "b"),
        ("a", "1"),
        ("b", "1"),
    ]);
    settle();
    let at = || Cache::at(cache.path().to_owned());
    let of =
        |choice| Context::of_build(tree.0.path(), choice, at()).unwrap().identify().unwrap().digest;
    let mut digests = vec![
        of(Choice::Usual),
        of(Choice::File(tree.path("other"))),
        Context::named(tree.0.path(), at()).unwrap().identify().unwrap().digest,
    ];
    assert_eq!(fs::read_dir(cache.path()).unwrap().count(), 3);
    digests.dedup();
    // The last two leave out the same.
    assert_eq!(digests.len(), 2);
}
