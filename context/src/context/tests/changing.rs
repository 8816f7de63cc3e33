//! Files that someone writes to meanwhile.

use std::{
    fs::OpenOptions,
    io::Write,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
};

use super::*;

fn tree() -> Tree {
    Tree::new(&[("Dockerfile", "FROM a\n"), ("a", &"1".repeat(700 << 10)), ("b/c", "2")])
}

/// Meddles when the first chunk goes out.
fn meddled(tree: &Tree, meddle: impl FnOnce()) -> Result<(), ContextError> {
    let mut meddle = Some(meddle);
    let mut take = |_| {
        meddle.take().into_iter().for_each(|meddle| meddle());
        Ok(())
    };
    tree.context().write_from(0, &mut take)
}

#[test]
fn whoever_writes_meanwhile_is_an_error_that_names_the_file() {
    let check = |name: &str, meddle: fn(&Tree)| {
        let tree = tree();
        let error = meddled(&tree, || meddle(&tree)).unwrap_err();
        assert!(error.is_change() && !error.is_write(), "{error}");
        let expected = format!("{name} changed while it was read; is something writing to it?");
        assert_eq!(error.to_string(), expected);
    };
    check("a", |tree| {
        let mut file = OpenOptions::new().append(true).open(tree.path("a")).unwrap();
        file.write_all(b"more").unwrap();
    });
    check("a", |tree| {
        OpenOptions::new().write(true).open(tree.path("a")).unwrap().set_len(100).unwrap();
    });
    // As long as it was.
    check("b/c", |tree| tree.write("b/c", "3"));
    // Its directory shows it first.
    check("b", |tree| fs::remove_file(tree.path("b/c")).unwrap());
    check("b", |tree| fs::rename(tree.path("b"), tree.path("d")).unwrap());
    check("b", |tree| {
        fs::rename(tree.path("b"), tree.path("d")).unwrap();
        tree.link("b", "d");
    });
    check("b", |tree| {
        fs::remove_file(tree.path("b/c")).unwrap();
        tree.link("b/c", "/etc/passwd");
    });
}

#[test]
fn a_file_that_comes_to_rest_is_read_again() {
    let tree = tree();
    let (left, is_done) = (AtomicUsize::new(3), AtomicBool::new(false));
    let known = thread::scope(|scope| {
        scope.spawn(|| {
            while left.fetch_sub(1, Ordering::SeqCst) > 0 {
                tree.write("a", left.load(Ordering::SeqCst).to_string().repeat(500 << 10));
                sleep(Duration::from_millis(5));
            }
            tree.write("a", "at rest");
            is_done.store(true, Ordering::SeqCst);
        });
        let mut context = tree.context();
        context.identify()
    });
    assert!(is_done.load(Ordering::SeqCst));
    // Whenever it was read, it was read as it stood at one time.
    if let Ok(known) = known {
        assert!(known.size > 2048, "{known:?}");
    }
    let rested = tree.context().identify().unwrap();
    assert_eq!(rested, tree.context().identify().unwrap());
}

#[test]
fn one_that_never_rests_is_named_in_the_end() {
    let tree = tree();
    // Long enough to read that the writer has its turn.
    tree.write("a", vec![b'1'; 32 << 20]);
    let (has_begun, is_over) = (AtomicBool::new(false), AtomicBool::new(false));
    let error = thread::scope(|scope| {
        scope.spawn(|| {
            let mut file = OpenOptions::new().append(true).open(tree.path("a")).unwrap();
            while !is_over.load(Ordering::SeqCst) {
                file.write_all(b"and on").unwrap();
                has_begun.store(true, Ordering::SeqCst);
            }
        });
        while !has_begun.load(Ordering::SeqCst) {
            thread::yield_now();
        }
        let error = tree.context().identify();
        is_over.store(true, Ordering::SeqCst);
        error
    });
    assert_eq!(
        error.unwrap_err().to_string(),
        "a changed while it was read; is something writing to it?"
    );
}

#[test]
fn what_is_renewed_is_what_is_there_now() {
    let tree = tree();
    let mut context = tree.context();
    let known = context.identify().unwrap();
    tree.write("b/c", "changed");
    let error = context.write_from(0, &mut |_| Ok(())).unwrap_err();
    assert!(error.is_change(), "{error}");
    assert_eq!(context.identify().unwrap(), known);
    context.renew().unwrap();
    assert_ne!(context.identify().unwrap(), known);
    context.write_from(0, &mut |_| Ok(())).unwrap();
}

#[test]
fn a_taker_that_takes_no_more_is_told_apart() {
    let tree = tree();
    let refuse = |_| Err(io::ErrorKind::BrokenPipe.into());
    let error = tree.context().write_from(0, &mut { refuse }).unwrap_err();
    assert!(error.is_write() && !error.is_change(), "{error}");
}
