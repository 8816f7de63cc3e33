//! The shortest name of the same place, by its text alone.

pub(super) fn clean(path: &[u8]) -> Vec<u8> {
    let rooted = path.starts_with(b"/");
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in path.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => match parts.last() {
                Some(&last) if last != b".." => drop(parts.pop()),
                _ if rooted => {}
                _ => parts.push(part),
            },
            part => parts.push(part),
        }
    }
    match (rooted, parts.is_empty()) {
        (true, _) => [b"/", &*parts.join(&b'/')].concat(),
        (false, true) => b".".to_vec(),
        (false, false) => parts.join(&b'/'),
    }
}

#[cfg(test)]
mod tests {
    use super::clean;

    #[test]
    fn places_have_one_name() {
        let check = |path: &str, expected: &str| {
            assert_eq!(String::from_utf8_lossy(&clean(path.as_bytes())), expected, "{path}");
        };
        check("", ".");
        check("./a//b/./", "a/b");
        check("a/../b", "b");
        check("a/..", ".");
        check("../../a", "../../a");
        check("a/../../b", "../b");
        check("/", "/");
        check("//a/", "/a");
        check("/../a", "/a");
        check("!./a", "!./a");
        check("!../a", "!../a");
        check("a/**/", "a/**");
    }
}
