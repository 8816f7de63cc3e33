//! Where package managers of languages lay down what programs depend on.
//!
//! They keep no sums of single files to compare with, and packages there have keys to test themselves
//! with, some in the middle of a program that would not start without it.

/// Directories by their names, one in the other.
const PLACES: [&[&str]; 6] = [
    &["node_modules"],
    &["site-packages"],
    &["dist-packages"],
    &["gems"],
    &["pkg", "mod"],
    &["registry", "src"],
];

pub(super) fn holds(path: &[u8]) -> bool {
    let mut directories: Vec<&[u8]> = path.split(|byte| *byte == b'/').collect();
    directories.pop();
    PLACES.iter().any(|place| {
        let is_place = |names: &[&[u8]]| names.iter().zip(*place).all(|(a, b)| *a == b.as_bytes());
        directories.windows(place.len()).any(is_place)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dependencies_stand_below_directories_of_known_names() {
        let check = |path: &str, expected| assert_eq!(holds(path.as_bytes()), expected, "{path}");
        check("app/node_modules/ssh2/lib/constants.js", true);
        check("usr/lib/python3.11/site-packages/tornado/test/test.key", true);
        check("root/go/pkg/mod/example.org/a/key.pem", true);
        check("root/go/pkg/key.pem", false);
        check("app/node_modules", false);
        check("app/not_node_modules/key.pem", false);
        check("gems", false);
    }
}
