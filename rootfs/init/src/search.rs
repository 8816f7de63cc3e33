//! Where a command's program may be.

/// The places to try, in their order. A name with a slash is a path, from the working directory on. Any
/// other is looked for in the directories of `path`; what stands there without a leading slash is
/// passed over, as docker runs nothing that it found in a directory that depends on where it stands.
pub fn candidates(program: &str, path: &str) -> Vec<String> {
    if program.contains('/') {
        return vec![program.to_owned()];
    }
    if program.is_empty() {
        return Vec::new();
    }
    let directories = path.split(':').filter(|directory| directory.starts_with('/'));
    directories.map(|directory| format!("{}/{program}", directory.trim_end_matches('/'))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(program: &str, path: &str, expected: &[&str]) {
        assert_eq!(candidates(program, path), expected, "{program} in {path}");
    }

    #[test]
    fn the_path_is_searched_in_its_order() {
        check("ls", "/usr/bin:/bin", &["/usr/bin/ls", "/bin/ls"]);
        check("ls", "/bin//:/", &["/bin/ls", "/ls"]);
        check("ls", ":/bin:.:bin:", &["/bin/ls"]);
        check("ls", "", &[]);
        check("", "/bin", &[]);
    }

    #[test]
    fn a_path_is_not_searched_for() {
        check("./ls", "/bin", &["./ls"]);
        check("bin/ls", "/bin", &["bin/ls"]);
        check("/bin/ls", "", &["/bin/ls"]);
    }
}
