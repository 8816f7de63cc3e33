//! Which mirrors to ask: those that the host itself is configured with.

use std::{collections::BTreeSet, fs};

use crate::{
    program::{Program, ProgramError},
    recipe::SUITE,
};

/// Where Debian is when the host, not being a Debian, does not say.
const DEFAULTS: [(&str, &str); 3] = [
    ("http://deb.debian.org/debian", ""),
    ("http://deb.debian.org/debian", "-updates"),
    ("http://deb.debian.org/debian-security", "-security"),
];

/// A suite on a mirror.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Source {
    pub(super) uri: String,
    pub(super) suite: String,
}

/// The image's suite, its updates and its security fixes.
pub(super) fn discover() -> Result<Vec<Source>, ProgramError> {
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    // apt itself reads its two formats of source lists and prints what they come to.
    let targets = Program::new("apt-get")
        .args([
            "indextargets",
            "--no-release-info",
            "--format",
            "$(REPO_URI) $(RELEASE) $(COMPONENT)",
        ])
        .arg("Created-By: Packages")
        .output()?;
    Ok(translate(&release, &String::from_utf8_lossy(&targets)))
}

/// The host's own suites, as they would be called were it running [`SUITE`].
fn translate(os_release: &str, index_targets: &str) -> Vec<Source> {
    let field = |name: &str| {
        let mut lines = os_release.lines();
        let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix('='))?;
        Some(value.trim_matches('"').to_owned())
    };
    let source = |uri: &str, kind: &str| Source {
        uri: uri.trim_end_matches('/').to_owned(),
        suite: format!("{SUITE}{kind}"),
    };
    let codename = field("VERSION_CODENAME").filter(|_| field("ID").as_deref() == Some("debian"));
    let own = |line: &str| {
        let mut words = line.split(' ');
        let (uri, release, component) = (words.next()?, words.next()?, words.next()?);
        let kind = release.strip_prefix(codename.as_deref()?)?;
        let wanted = DEFAULTS.iter().any(|(_, default)| *default == kind) && component == "main";
        wanted.then(|| source(uri, kind))
    };
    let found: BTreeSet<Source> = index_targets.lines().filter_map(own).collect();
    if found.iter().any(|source| source.suite == SUITE) {
        return found.into_iter().collect();
    }
    DEFAULTS.iter().map(|(uri, kind)| source(uri, kind)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOOKWORM: &str = "NAME=\"Debian GNU/Linux\"\nID=debian\nVERSION_CODENAME=bookworm\n";

    fn check(os_release: &str, index_targets: &str, expected: &[(&str, &str)]) {
        let found = translate(os_release, index_targets);
        let found: Vec<_> = found.iter().map(|found| (&*found.uri, &*found.suite)).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn the_hosts_mirrors_are_asked_for_the_images_suite() {
        check(
            BOOKWORM,
            "http://mirror.example/debian/ bookworm main\n\
             http://mirror.example/debian/ bookworm main\n\
             http://mirror.example/debian/ bookworm non-free\n\
             http://mirror.example/debian/ bookworm-backports main\n\
             http://mirror.example/security/ bookworm-security main\n\
             https://packages.example/ nodistro main\n",
            &[
                ("http://mirror.example/debian", "trixie"),
                ("http://mirror.example/security", "trixie-security"),
            ],
        );
        check(
            "ID=debian\nVERSION_CODENAME=trixie\n",
            "mirror+file:///etc/apt/mirrors/debian.list trixie main\n",
            &[("mirror+file:///etc/apt/mirrors/debian.list", "trixie")],
        );
    }

    #[test]
    fn without_a_debian_mirror_the_usual_ones_are_asked() {
        let defaults = [
            ("http://deb.debian.org/debian", "trixie"),
            ("http://deb.debian.org/debian", "trixie-updates"),
            ("http://deb.debian.org/debian-security", "trixie-security"),
        ];
        check("ID=ubuntu\nVERSION_CODENAME=noble\n", "http://u.example noble main\n", &defaults);
        check(BOOKWORM, "https://packages.example/ nodistro main\n", &defaults);
        check("", "", &defaults);
    }
}
