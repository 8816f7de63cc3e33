mod published;
mod reference;

use super::*;

/// Without knowledge of the directories above, and as a walk comes to it: both must say the same.
fn check(file: &str, path: &str, expected: bool) {
    let ignore = Ignore::parse(file.as_bytes()).unwrap();
    let (alone, _) = ignore.matches(path.as_bytes(), &Matched::default());
    assert_eq!(alone, expected, "{path:?} by {file:?}");
    assert_eq!(walked(&ignore, path.as_bytes()), expected, "{path:?} by {file:?}, walked");
}

fn walked(ignore: &Ignore, path: &[u8]) -> bool {
    let mut matched = Matched::default();
    for parent in parents(path) {
        matched = ignore.matches(parent, &matched).1;
    }
    ignore.matches(path, &matched).0
}

#[test]
fn the_last_one_that_matches_wins() {
    check("docs\n!docs/README.md", "docs/README.md", false);
    check("docs\n!docs/README.md", "docs/other.md", true);
    check("!README.md\n*.md", "README.md", true);
    check("*.md\n!README.md", "README.md", false);
    check("*\n!a\na/b", "a/b", true);
    check("*\n!a\na/b", "a/c", false);
}

#[test]
fn a_directory_takes_what_is_in_it_along() {
    check("a", "a/b/c", true);
    check("a/", "a/b/c", true);
    check("/a", "a/b", true);
    check("./a/../b", "b/c", true);
    check("a", "b/a", false);
    check("**/a", "b/a/c", true);
    check("*/temp*", "x/temporary/y", true);
    check("*/temp*", "temporary", false);
    check("*/*/temp*", "x/y/temp", true);
    check("temp?", "tempa", true);
    check("temp?", "temp", false);
}

#[test]
fn the_whole_cannot_be_named() {
    for file in [".", "/", "./", "..", "", "\n\n", "a/.."] {
        check(file, "a", false);
    }
    check("*", "a", true);
    check("**", "a/b", true);
}

#[test]
fn lines_are_taken_as_docker_takes_them() {
    let check = |file: &[u8], expected: &[&str]| {
        let found = lines(file).unwrap();
        let found: Vec<_> =
            found.iter().map(|(_, line)| String::from_utf8_lossy(line).into_owned()).collect();
        assert_eq!(found, expected, "{:?}", String::from_utf8_lossy(file));
    };
    check(b"one\n/two\n/a/file/here\n\nlast\n", &["one", "two", "a/file/here", "last"]);
    check(b"# not this\n #this\nand#this", &["#this", "and#this"]);
    check(b"! /kept/path\n!\n! ", &["!kept/path", "!", "!"]);
    check(b"\xef\xbb\xbf# a mark\r\n\xef\xbb\xbfb\r\n", &["\u{feff}b"]);
    check("\u{a0} a \t\n".as_bytes(), &["a"]);
    check(b"a b\n", &["a b"]);
    check(b"!!a", &["!!a"]);
    check(b"/", &["/"]);
    check(b"//a//b/", &["a/b"]);
}

#[test]
fn what_is_no_pattern_is_told_with_its_line() {
    let check = |file: &str, expected: InvalidIgnore| {
        assert_eq!(Ignore::parse(file.as_bytes()).unwrap_err(), expected, "{file}");
    };
    check("a\n!", InvalidIgnore::LonelyMark { line: 2 });
    check("#\n\n! /", InvalidIgnore::LonelyMark { line: 3 });
    let pattern = |line, pattern: &str| InvalidIgnore::Pattern { line, pattern: pattern.into() };
    check("a\n[", pattern(2, "["));
    check("![a", pattern(1, "[a"));
    check("a\\", pattern(1, "a\\"));
    check(&"x".repeat(65536), InvalidIgnore::LongLine { line: 1 });
    assert!(Ignore::parse("x".repeat(65535).as_bytes()).is_ok());
}

#[test]
fn oddities_are_docker_s_own() {
    // A mark behind a mark is a name.
    check("*\n!!a", "!a", false);
    check("*\n!!a", "a", true);
    // Escaped signs of expressions are those of expressions.
    check(r"a\d*", "a7", true);
    check(r"a\d*", "ad", false);
    check(r"\#a", "#a", true);
    check(r"a\ b", "a b", true);
    // Ranges do not hold stars: this is `[[^/]`, again and again, and a bracket.
    check("a[*]", "a/[/]", true);
    check("a[*]", "a*", false);
    check("[^a]", "/", true);
    // A caret among wildcards is the beginning of it all.
    check("a^*", "a^b", false);
    check("a^", "a^", true);
    check("^a*", "ab", true);
    // A newline is a character like others, but not among directories.
    check("a*", "a\nb", true);
    check("**/b*", "a\nc/b", false);
    check("**/b", "a\nc/b", true);
    // Names without meaning.
    check("(a|b)", "a", false);
    check("(a|b)", "(a|b)", true);
    check("a$*", "a$b", true);
}

#[test]
fn a_walk_forgets_what_was_not_tried() {
    let ignore = Ignore::parse(b"a/b\n!a").unwrap();
    // `!a` says nothing of `a`, which is not ignored, and so nothing of what is in it.
    assert!(walked(&ignore, b"a/b"));
    assert!(walked(&ignore, b"a/b/c"));
    // Whoever comes to it from nowhere sees that it is in `a`.
    assert!(!ignore.matches(b"a/b", &Matched::default()).0);
}

#[test]
fn what_is_beyond_us_leaves_nothing_out() {
    for file in [r"\Qa*", r"\pL*", "[[:letter:]]", "[z-a]", r"a\b*"] {
        check(file, "a", false);
        check(&format!("*\n!{file}"), "a", false);
    }
}

#[test]
fn classes_have_names() {
    check("a[[:alpha:]]", "ab", true);
    check("a[[:alpha:]]", "a1", false);
    check("a[[:^alpha:]]", "a1", true);
    check("a[[:^alpha:]]", "ab", false);
    check("a[[:^alpha:]]", "a☺", true);
    check("a[[:digit:]x-z]", "a7", true);
    check("a[[:digit:]x-z]", "ay", true);
    check("a[[:^ascii:]]", "a\u{80}", true);
    check("a[[:^ascii:]]", "a\u{7f}", false);
    check("a[^[:space:]]", "a b", false);
    check("a[^[:space:]]", "a_", true);
    // Without its end it is a class of a bracket and a colon.
    check("a[[:]", "a:", true);
    check("a[[:]", "a[", true);
}

#[test]
fn patterns_stand_as_they_are() {
    let of = |pattern: &str| Ignore::of(&[pattern.as_bytes().to_vec()]);
    let matches = |pattern: &str, path: &str| {
        of(pattern).unwrap().matches(path.as_bytes(), &Matched::default()).0
    };
    assert!(matches("#a", "#a"));
    assert!(matches("a\tb", "a\tb/c"));
    assert!(!matches("!a", "a"));
    for beyond in [r"\Qa*", "[z-a]*", "a[", "!"] {
        assert_eq!(of(beyond).unwrap_err().pattern, beyond);
    }
    let ignore = Ignore::of(&[b"a/b/*".to_vec(), b"!a/c".to_vec()]).unwrap();
    for (directory, expected) in [("a", true), ("a/b", true), ("a/c", false), ("b", false)] {
        assert_eq!(ignore.may_ignore_in(directory.as_bytes()), expected, "{directory}");
    }
}

#[test]
fn names_are_bytes() {
    let ignore = Ignore::parse(b"a?c\n\xff*").unwrap();
    let is_ignored = |path: &[u8]| ignore.matches(path, &Matched::default()).0;
    assert!(is_ignored(b"a\xffc"));
    assert!(is_ignored("a☺c".as_bytes()));
    assert!(!is_ignored(b"a\xff\xffc"));
    assert!(is_ignored(b"\xffz"));
}

#[test]
fn directories_are_entered_only_for_what_may_be_kept() {
    let check = |file: &str, directory: &str, expected: bool| {
        let ignore = Ignore::parse(file.as_bytes()).unwrap();
        assert_eq!(ignore.may_keep_in(directory.as_bytes()), expected, "{directory} by {file:?}");
    };
    check("a", "a", false);
    check("a\n!b", "a", false);
    check("a\n!a/b", "a", true);
    check("a\n!a/b", "a/b", false);
    check("a\n!a/b/c", "a/b", true);
    check("a\n!ab", "a", false);
    check("*\n!a/*.md", "a", true);
    check("*\n!a/*.md", "b", false);
    check("*\n!a/*.md", "a/b", true);
    check("*\n!**/*.md", "b", true);
    check("*\n!a*", "a", true);
    check("*\n!a**", "ab/c", true);
    check("*\n!?/x", "a", true);
    check("*\n!\\a", "a", true);
}
