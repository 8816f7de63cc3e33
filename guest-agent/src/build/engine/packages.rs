//! The version of a package, from Debian's own list: asking the program would start it, and it is large.

use std::{
    fs::File,
    io::{BufRead as _, BufReader, Read as _},
    path::Path,
};

const MAX_BYTES: u64 = 16 << 20;

/// Empty where the list does not say.
pub(super) fn version(list: &Path, package: &str) -> String {
    let Ok(file) = File::open(list) else { return String::new() };
    let mut lines = BufReader::new(file.take(MAX_BYTES)).split(b'\n').map_while(Result::ok);
    let name = format!("Package: {package}");
    if !lines.any(|line| line == name.as_bytes()) {
        return String::new();
    }
    let fields = lines.take_while(|line| !line.is_empty());
    let mut versions = fields.filter_map(|line| {
        let line = String::from_utf8(line).ok()?;
        line.strip_prefix("Version: ").map(|version| version.trim().to_owned())
    });
    versions.next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_of_its_own_package() {
        let list = tempfile::NamedTempFile::new().unwrap();
        let text = "Package: docker\nVersion: 1\n\nPackage: docker-buildx\nStatus: ok\nVersion: 0.13.1\n\n\
                    Package: last\nStatus: ok\n";
        std::fs::write(list.path(), text).unwrap();
        assert_eq!(version(list.path(), "docker-buildx"), "0.13.1");
        assert_eq!(version(list.path(), "docker"), "1");
        assert_eq!(version(list.path(), "last"), "");
        assert_eq!(version(list.path(), "none"), "");
        assert_eq!(version(Path::new("/nonexistent"), "docker"), "");
    }
}
