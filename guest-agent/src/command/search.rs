//! Where a program may be. Which of the places it is in shows when it is executed: only then do
//! permissions, formats and interpreters tell the truth, and nothing can change in between.

use std::ffi::{CStr, CString};

/// A search path is tried from end to end for each missing program.
pub(super) const MAX_DIRECTORIES: usize = 256;
/// No file system has a longer name; it bounds what the candidates take together.
const MAX_NAME_BYTES: usize = 255;

/// A name with a slash is a path; any other is looked for in each directory of `path`, where an
/// empty one is the working directory.
pub(super) fn candidates(program: &CStr, path: &[u8]) -> Vec<CString> {
    let name = program.to_bytes();
    if name.contains(&b'/') {
        return vec![program.to_owned()];
    }
    if name.len() > MAX_NAME_BYTES {
        return Vec::new();
    }
    path.split(|byte| *byte == b':')
        .filter_map(|directory| {
            let mut candidate = directory.to_vec();
            if directory.is_empty() {
                candidate.push(b'.');
            }
            candidate.push(b'/');
            candidate.extend_from_slice(name);
            CString::new(candidate).ok()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(program: &CStr, path: &str, expected: &[&str]) {
        let found = candidates(program, path.as_bytes());
        let found: Vec<&str> = found.iter().filter_map(|path| path.to_str().ok()).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn the_path_is_searched_in_its_order() {
        check(c"ls", "/usr/bin:/bin", &["/usr/bin/ls", "/bin/ls"]);
        check(c"ls", ":/bin:", &["./ls", "/bin/ls", "./ls"]);
        check(c"ls", "", &["./ls"]);
        check(c"./ls", "/bin", &["./ls"]);
        check(c"/bin/ls", "/usr/bin", &["/bin/ls"]);
    }

    #[test]
    fn a_name_that_no_file_can_have_is_nowhere() {
        let name = CString::new("x".repeat(256)).unwrap();
        check(&name, "/bin:/usr/bin", &[]);
    }
}
