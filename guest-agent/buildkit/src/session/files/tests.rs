//! Files sent to the receiving half of the engine, as the engine has it.

mod receiver;
mod tree;

use std::{
    fs,
    os::unix::{
        fs::{PermissionsExt as _, symlink},
        net::UnixListener,
    },
    path::Path,
    time::{Duration, UNIX_EPOCH},
};

use rustix::fs::{CWD, FileType, Mode, XattrFlags, lsetxattr, mknodat};

use self::{
    receiver::{Engine, Received, received},
    tree::{Random, Tree},
};
use super::*;

fn paths(received: &Received) -> Vec<String> {
    let path = |stat: &Stat| String::from_utf8_lossy(&stat.path).into_owned();
    received.stats.iter().map(path).collect()
}

fn write(root: &Path, files: &[&str]) {
    for file in files {
        let path = root.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, file).unwrap();
    }
}

#[tokio::test]
async fn files_arrive_as_they_are() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    write(root, &["dir/file", "set"]);
    fs::set_permissions(root.join("set"), fs::Permissions::from_mode(0o6751)).unwrap();
    fs::set_permissions(root.join("dir"), fs::Permissions::from_mode(0o1700)).unwrap();
    symlink("../nowhere", root.join("dir/link")).unwrap();
    fs::hard_link(root.join("dir/file"), root.join("hard")).unwrap();
    mknodat(CWD, root.join("fifo"), FileType::Fifo, Mode::RWXU, 0).unwrap();
    let _listener = UnixListener::bind(root.join("socket")).unwrap();
    lsetxattr(root.join("set"), "user.one", b"\0value", XattrFlags::empty()).unwrap();
    let time = UNIX_EPOCH + Duration::new(1_500_000_000, 123_456_789);
    File::open(root.join("dir")).unwrap().set_modified(time).unwrap();
    fs::write(root.join("large"), vec![7; 3 * CHUNK_BYTES + 1]).unwrap();

    let received = received(root, &[]).await.unwrap();
    let expected = ["dir", "dir/file", "dir/link", "fifo", "hard", "large", "set", "socket"];
    assert_eq!(paths(&received), expected);
    let [dir, file, link, fifo, hard, large, set, socket] = &received.stats[..] else { panic!() };
    assert_eq!((dir.mode, dir.size), (1 << 31 | 1 << 20 | 0o700, 0));
    assert_eq!(dir.modified, 1_500_000_000_123_456_789);
    assert_eq!((link.mode >> 20, &*link.link, link.size), (1 << 7, &b"../nowhere"[..], 10));
    assert_eq!(fifo.mode, 1 << 25 | 0o700);
    assert_eq!((&*hard.link, hard.size), (&b"dir/file"[..], 8));
    assert_eq!(set.mode, 1 << 23 | 1 << 22 | 0o751);
    let attributes = vec![packet::Attribute { name: b"user.one".into(), value: b"\0value".into() }];
    assert_eq!(set.attributes, attributes);
    assert_eq!(socket.mode & !0o777, 0);
    assert_eq!((file.mode & !0o777, file.size, file.link.len()), (0, 8, 0));
    assert!(received.stats.iter().all(|stat| (stat.uid, stat.gid) == (0, 0)));
    assert_eq!(received.content("dir/file"), b"dir/file");
    assert_eq!(received.content("large").len(), usize::try_from(large.size).unwrap());
    assert_eq!(received.content("socket"), b"");
}

#[tokio::test]
async fn names_come_by_their_bytes_and_directories_before_what_is_in_them() {
    let directory = tempfile::tempdir().unwrap();
    write(directory.path(), &["a/b", "a-b", "a.b", "a0", "B", "ä", "a/b c", "a/\u{1}"]);
    let received = received(directory.path(), &[]).await.unwrap();
    let expected = ["B", "a", "a/\u{1}", "a/b", "a/b c", "a-b", "a.b", "a0", "ä"];
    assert_eq!(paths(&received), expected);
}

#[tokio::test]
async fn random_directories_arrive_by_random_patterns() {
    for seed in 1..=120 {
        let mut random = Random(seed);
        let directory = tempfile::tempdir().unwrap();
        let tree = Tree::grow(directory.path(), &mut random);
        let include = tree.patterns(&mut random, 3);
        let exclude = tree.patterns(&mut random, 4);
        let mut asked = Vec::new();
        asked.extend(include.iter().map(|pattern| ("include-patterns", pattern.as_str())));
        asked.extend(exclude.iter().map(|pattern| ("exclude-patterns", pattern.as_str())));
        let received = received(directory.path(), &asked).await.unwrap();
        let sent: Vec<Vec<u8>> = received.stats.iter().map(|stat| stat.path.to_vec()).collect();
        let expected = tree.matching(&include, &exclude);
        assert_eq!(sent, expected, "seed {seed}, include {include:?}, exclude {exclude:?}");
        for (path, content) in &received.contents {
            let name = directory.path().join(OsStr::from_bytes(path));
            assert_eq!(*content, fs::read(name).unwrap(), "seed {seed}");
        }
    }
}

#[tokio::test]
async fn symlinks_are_followed_to_what_they_lead_to() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    write(root, &["real/deep/file", "real/other", "alone", "away/x", "globbed/a1", "globbed/b1"]);
    for (target, link) in [
        ("real/deep", "link"),
        ("/alone", "rooted"),
        ("../../../../alone", "real/above"),
        ("one", "two"),
        ("two", "one"),
        ("../away", "globbed/a2"),
    ] {
        symlink(target, root.join(link)).unwrap();
    }
    let check = async |follow: &[&str], expected: &[&str]| {
        let asked: Vec<_> = follow.iter().map(|path| ("followpaths", *path)).collect();
        assert_eq!(paths(&received(root, &asked).await.unwrap()), expected, "{follow:?}");
    };
    check(&["alone"], &["alone"]).await;
    check(&["/real/other"], &["real", "real/other"]).await;
    let deep = ["link", "real", "real/deep", "real/deep/file"];
    check(&["link/file"], &deep).await;
    check(&["link"], &deep).await;
    check(&["rooted"], &["alone", "rooted"]).await;
    check(&["real/above"], &["alone", "real", "real/above"]).await;
    // In a circle, and to nothing.
    check(&["one"], &["one", "two"]).await;
    check(&["nothing/at/all"], &[]).await;
    check(&["globbed/a*"], &["away", "away/x", "globbed", "globbed/a1", "globbed/a2"]).await;
    check(&["../alone", "nothing"], &["alone"]).await;
    // The root is all of it, whatever else is asked for.
    assert_eq!(received(root, &[("followpaths", ".")]).await.unwrap().stats.len(), 16);
    let both = [("followpaths", "alone"), ("exclude-patterns", "a*")];
    assert!(received(root, &both).await.unwrap().stats.is_empty());
}

#[tokio::test]
async fn what_cannot_be_asked_for_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let check = async |asked: &[(&'static str, &str)], expected: &str| {
        let error = received(directory.path(), asked).await.unwrap_err();
        assert_eq!(error.message(), expected);
    };
    check(&[("dir-name", "other")], "no access allowed to dir \"other\"").await;
    let pattern = "syntax error in pattern \"a[\": a [ without its end, an empty range, an unknown \\, or a \\ or ! at the end";
    let words = format!("invalid excludepatterns: {pattern}");
    check(&[("exclude-patterns", "a["), ("exclude-patterns", "b")], &words).await;
    check(&[("include-patterns", "a[")], &format!("invalid includepatterns: {pattern}")).await;
    let gone = directory.path().join("gone");
    let error = received(&gone, &[]).await.unwrap_err();
    assert!(error.message().starts_with("cannot read "), "{error}");
}

#[tokio::test]
async fn an_engine_that_breaks_the_rules_is_told() {
    let directory = tempfile::tempdir().unwrap();
    write(directory.path(), &["a/file", "b"]);
    let check = async |asks: Vec<Packet>, expected: &str| {
        let mut engine = Engine::begin(directory.path(), &[]).unwrap();
        for packet in asks {
            engine.say(packet);
        }
        let status = engine.end().await.unwrap_err();
        assert_eq!(status.message(), expected);
        // The same words came as a packet before.
        assert_eq!(engine.words, expected);
    };
    let ask = |id| Packet { id, ..Packet::of(Kind::Request) };
    // 0 is a directory, 1 and 2 are files, 3 is nothing.
    check(vec![ask(0)], "the engine asked for file 0, which there is not").await;
    check(vec![ask(3)], "the engine asked for file 3, which there is not").await;
    check(vec![ask(1), ask(1)], "the engine asked for file 1, which there is not").await;
    let words = "the engine sent a packet of kind 2 where requests belong";
    check(vec![Packet::of(Kind::Data)], words).await;
    let full = Packet { data: "disk full".into(), ..Packet::of(Kind::Error) };
    check(vec![full], "error from receiver: disk full").await;
}

#[tokio::test]
async fn a_file_that_went_away_is_no_empty_file() {
    let directory = tempfile::tempdir().unwrap();
    write(directory.path(), &["a"]);
    let mut engine = Engine::begin(directory.path(), &[]).unwrap();
    engine.stats().await.unwrap();
    fs::remove_file(directory.path().join("a")).unwrap();
    engine.say(Packet { id: 0, ..Packet::of(Kind::Request) });
    let status = engine.end().await.unwrap_err();
    assert!(status.message().starts_with("cannot read "), "{status}");
}

#[tokio::test]
async fn a_cut_connection_ends_it_wherever_it_is_cut() {
    let directory = tempfile::tempdir().unwrap();
    for number in 0..200 {
        fs::write(directory.path().join(format!("{number:03}")), vec![1; 100_000]).unwrap();
    }
    for heard in [0, 1, 63, 150, 200, 201, 230, 600] {
        let mut engine = Engine::begin(directory.path(), &[]).unwrap();
        let ended = engine.ended();
        for _ in 0..heard {
            let packet = engine.next().await.unwrap().unwrap();
            if packet.stat.is_some() {
                let id = engine.stats;
                engine.stats += 1;
                engine.say(Packet { id, ..Packet::of(Kind::Request) });
            }
        }
        drop(engine);
        // Whoever sends lets go of what it read from.
        tokio::time::timeout(Duration::from_secs(10), ended).await.expect("it goes on");
    }
}
