//! The same, said as simply as can be: by trying every way.

use proptest::prelude::*;

use super::*;

/// `pattern` has `*`, `?`, `**`, escapes and plain characters, as a walk has them: no ranges.
fn reference(pattern: &[char], path: &[char]) -> bool {
    let Some((&first, rest)) = pattern.split_first() else { return path.is_empty() };
    match first {
        '*' if rest.first() == Some(&'*') => {
            let rest = &rest[1..];
            let rest = rest.strip_prefix(&['/']).unwrap_or(rest);
            if rest.is_empty() {
                return true;
            }
            // Nothing, or all up to some slash.
            reference(rest, path)
                || (0..path.len()).any(|at| path[at] == '/' && reference(rest, &path[at + 1..]))
        }
        '*' => {
            let name = path.iter().position(|character| *character == '/').unwrap_or(path.len());
            (0..=name).any(|at| reference(rest, &path[at..]))
        }
        '?' => path.first().is_some_and(|next| *next != '/') && reference(rest, &path[1..]),
        '\\' => {
            rest.first() == path.first() && !rest.is_empty() && reference(&rest[1..], &path[1..])
        }
        plain => path.first() == Some(&plain) && reference(rest, &path[1..]),
    }
}

fn whole(pattern: &str, path: &str) -> bool {
    let characters = |text: &str| text.chars().collect::<Vec<_>>();
    let pattern = characters(pattern);
    // At the beginning and among plain characters `**` is any beginning, not whole directories.
    let is_suffix = pattern.starts_with(&['*', '*'])
        && pattern[2..].first() != Some(&'/')
        && !pattern[2..].iter().any(|character| "*?\\".contains(*character));
    if is_suffix {
        let suffix: String = pattern[2..].iter().collect();
        return path.ends_with(&suffix);
    }
    reference(&pattern, &characters(path))
}

/// As a walk has it: what a directory is known for is known of all that is in it.
fn ignored(patterns: &[(bool, String)], path: &str) -> bool {
    let mut above = vec![false; patterns.len()];
    let ends = path.match_indices('/').map(|(at, _)| at).chain([path.len()]);
    let mut is_ignored = false;
    for end in ends {
        is_ignored = false;
        let mut now = vec![false; patterns.len()];
        for (at, (keeps, pattern)) in patterns.iter().enumerate() {
            if above[at] || (*keeps == is_ignored && whole(pattern, &path[..end])) {
                now[at] = true;
                is_ignored = !keeps;
            }
        }
        above = now;
    }
    is_ignored
}

fn pattern() -> impl Strategy<Value = (bool, String)> {
    let part = prop_oneof![
        4 => "[ab]{1,2}",
        2 => "[ab*?]{1,3}",
        1 => Just("**".to_owned()),
        1 => r"\\[.*]",
        1 => "[ab]\\*\\*",
    ];
    (any::<bool>(), prop::collection::vec(part, 1..4))
        .prop_map(|(keeps, parts)| (keeps, parts.join("/")))
        // `***` is two things at once.
        .prop_filter("no three stars", |(_, pattern)| !pattern.contains("***"))
}

fn path() -> impl Strategy<Value = String> {
    prop::collection::vec("[ab.*]{1,3}", 1..5)
        .prop_map(|parts| parts.join("/"))
        .prop_filter("plain", |path| !path.split('/').any(|part| part == "." || part == ".."))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]

    #[test]
    fn both_say_the_same(
        patterns in prop::collection::vec(pattern(), 1..5),
        paths in prop::collection::vec(path(), 1..10),
    ) {
        let lines: Vec<_> = patterns
            .iter()
            .map(|(keeps, pattern)| format!("{}{pattern}", if *keeps { "!" } else { "" }))
            .collect();
        let file = lines.join("\n");
        let ignore = Ignore::parse(file.as_bytes()).unwrap();
        for path in paths {
            let expected = ignored(&patterns, &path);
            prop_assert_eq!(walked(&ignore, path.as_bytes()), expected, "{} by {:?}", path, file);
            // Whoever skips a directory must not lose what is kept in it.
            for (at, _) in path.match_indices('/') {
                let directory = &path.as_bytes()[..at];
                if walked(&ignore, directory) && !expected {
                    prop_assert!(ignore.may_keep_in(directory), "{} in {}", path, &path[..at]);
                }
            }
        }
    }
}
