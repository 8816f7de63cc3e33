//! What has to hold of whatever a context is made of.

#[path = "play/tree.rs"]
mod tree;

use std::{cell::RefCell, io, path::Path};

use kiln_context::{Cache, Choice, Context, Dockerfile, Ignore, Matched, Stdin, read_stdin};

use self::tree::Tree;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum End {
    Refused,
    Understood,
    /// And something came of it: left out, kept, or found.
    Used,
}

/// An ignore file, a zero byte, and paths, each with a zero byte behind it.
pub(crate) fn ignore(input: &[u8]) -> End {
    let mut parts = input.split(|byte| *byte == 0);
    let file = parts.next().unwrap_or_default();
    let Ok(ignore) = Ignore::parse(file) else { return End::Refused };
    // However its lines end.
    let without_marks = !file.windows(2).any(|pair| pair == b"\r\n");
    if without_marks && !file.starts_with(b"\xef\xbb\xbf") {
        let other = file.split(|byte| *byte == b'\n').collect::<Vec<_>>().join(&b"\r\n"[..]);
        let other = [b"\xef\xbb\xbf", &*other].concat();
        if let Ok(other) = Ignore::parse(&other) {
            for path in paths(input) {
                assert_eq!(walked(&ignore, &path).0, walked(&other, &path).0, "{path:?}");
            }
        }
    }
    let keeps = file.contains(&b'!');
    let mut end = End::Understood;
    for path in paths(input) {
        let (is_ignored, above) = walked(&ignore, &path);
        if is_ignored {
            end = End::Used;
        }
        // Whoever skips a directory loses nothing that is kept.
        if above.is_some_and(|above| !ignore.may_keep_in(&path[..above])) {
            assert!(is_ignored, "{path:?} is lost");
        }
        if !keeps {
            let alone = ignore.matches(&path, &Matched::default()).0;
            assert_eq!(alone, is_ignored, "{path:?}");
        }
    }
    end
}

fn paths(input: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    let is_plain = |path: &&[u8]| {
        !path.is_empty()
            && path.split(|byte| *byte == b'/').all(|part| !matches!(part, b"" | b"." | b".."))
    };
    input.split(|byte| *byte == 0).skip(1).filter(is_plain).map(<[u8]>::to_vec)
}

/// As a walk comes to it; and where the first directory ends that is ignored.
fn walked(ignore: &Ignore, path: &[u8]) -> (bool, Option<usize>) {
    let (mut matched, mut first) = (Matched::default(), None);
    for at in (0..path.len()).filter(|at| path[*at] == b'/') {
        let (is_ignored, its) = ignore.matches(&path[..at], &matched);
        if is_ignored && !ignore.may_keep_in(&path[..at]) {
            first = first.or(Some(at));
        }
        matched = its;
    }
    (ignore.matches(path, &matched).0, first)
}

thread_local! {
    static PLACE: RefCell<Tree> = RefCell::new(Tree::new());
}

/// A directory, as [`Tree::make`] reads it.
pub(crate) fn packing(input: &[u8]) -> End {
    PLACE.with_borrow_mut(|tree| {
        tree.clear();
        let made = tree.make(input);
        let found = Context::of_build(tree.root(), Choice::Usual, Cache::none());
        let Ok(mut context) = found else { return End::Refused };
        let whole = bytes(&mut context, 0);
        assert!(
            whole.len().is_multiple_of(512) && whole.ends_with(&[0; 1024]),
            "{} bytes",
            whole.len()
        );
        let known = context.identify().expect("nobody writes to it");
        assert_eq!(known.size, whole.len() as u64);
        let offset = input.iter().map(|byte| usize::from(*byte)).sum::<usize>() % (whole.len() + 1);
        assert!(bytes(&mut context, offset as u64) == whole[offset..], "from {offset}");
        let members = tree.compare(&whole);
        if made > 3 && members > 3 { End::Used } else { End::Understood }
    })
}

/// What comes on stdin.
pub(crate) fn stdin(input: &[u8]) -> End {
    const LIMIT: u64 = 1 << 20;
    let file = (input.last() == Some(&1)).then_some(Path::new("ci/Dockerfile"));
    match read_stdin(input, file, LIMIT) {
        Err(error) => {
            assert!(!error.to_string().is_empty());
            End::Refused
        }
        Ok(Stdin::Dockerfile(content)) => {
            assert_eq!(content, input);
            End::Understood
        }
        Ok(Stdin::Context(mut context)) => {
            let whole = bytes(&mut context, 0);
            assert_eq!(context.identify().expect("a file").size, whole.len() as u64);
            let Some(Dockerfile::Path(path)) = context.dockerfile() else {
                panic!("no path: {context:?}")
            };
            let mut archive = tar::Archive::new(&whole[..]);
            let first = archive.entries().expect("entries").next().expect("one").expect("whole");
            assert_eq!(&*first.path_bytes(), path.as_bytes());
            End::Used
        }
    }
}

fn bytes(context: &mut Context, offset: u64) -> Vec<u8> {
    let mut gathered = Vec::new();
    let mut take = |chunk: bytes::Bytes| -> io::Result<()> {
        gathered.extend_from_slice(&chunk);
        Ok(())
    };
    context.write_from(offset, &mut take).expect("nobody writes to it");
    gathered
}
