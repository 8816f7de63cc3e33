//! What there may be too much of, and where it stands.

use std::fmt;

use super::{Place, licence, locale, logs, places};
use crate::{
    removal::{Fate, Removal},
    tree::{Kind, Node},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Excess {
    /// Packages and lists of them, and the copies that dpkg and debconf keep of their own state.
    Apt,
    Apk,
    /// And yum.
    Dnf,
    Pip,
    Npm,
    /// Licences and copyrights stay.
    Documents,
    Manuals,
    Info,
    /// Translated messages.
    Locales,
    /// Files are emptied, for whoever writes to them may not be allowed to make them.
    Logs,
}

type Decide = fn(&[u8], &Node) -> Fate;

impl Excess {
    pub const ALL: [Self; 10] = [
        Self::Apt,
        Self::Apk,
        Self::Dnf,
        Self::Pip,
        Self::Npm,
        Self::Documents,
        Self::Manuals,
        Self::Info,
        Self::Locales,
        Self::Logs,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Apt => "apt",
            Self::Apk => "apk",
            Self::Dnf => "dnf",
            Self::Pip => "pip",
            Self::Npm => "npm",
            Self::Documents => "documents",
            Self::Manuals => "manuals",
            Self::Info => "info",
            Self::Locales => "locales",
            Self::Logs => "logs",
        }
    }

    pub(super) fn take(self, removal: &mut Removal<'_>, kept_locales: &[String]) -> Vec<Place> {
        match self {
            Self::Locales => places::sweep(removal, "usr/share/locale", &|path, node| {
                locale::decide(path, node, kept_locales)
            }),
            Self::Logs => logs::empty(removal),
            other => {
                let places = other.places().iter();
                places.flat_map(|(place, decide)| places::sweep(removal, place, decide)).collect()
            }
        }
    }

    /// `*` is any one name.
    fn places(self) -> &'static [(&'static str, Decide)] {
        match self {
            Self::Apt => &[
                ("var/cache/apt", files),
                ("var/lib/apt/lists", files),
                ("var/cache/debconf", copies),
                ("var/lib/dpkg", copies),
            ],
            Self::Apk => &[("var/cache/apk", files), ("etc/apk/cache", files)],
            Self::Dnf => &[
                ("var/cache/dnf", everything),
                ("var/cache/yum", everything),
                ("var/cache/libdnf5", everything),
            ],
            Self::Pip => &[("root/.cache/pip", everything), ("home/*/.cache/pip", everything)],
            Self::Npm => &[
                ("root/.npm/_cacache", everything),
                ("root/.npm/_logs", everything),
                ("home/*/.npm/_cacache", everything),
                ("home/*/.npm/_logs", everything),
            ],
            Self::Documents => &[
                ("usr/share/doc", licence::decide),
                ("usr/local/share/doc", licence::decide),
                ("usr/share/doc-base", everything),
                ("usr/share/gtk-doc", licence::decide),
            ],
            Self::Manuals => &[
                ("usr/share/man", sections),
                ("usr/local/share/man", sections),
                ("usr/local/man", sections),
                ("var/cache/man", everything),
            ],
            Self::Info => &[("usr/share/info", everything), ("usr/local/share/info", everything)],
            Self::Locales | Self::Logs => &[],
        }
    }
}

impl fmt::Display for Excess {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

fn everything(_path: &[u8], _node: &Node) -> Fate {
    Fate::Goes
}

/// Directories stay: package managers want theirs.
fn files(_path: &[u8], node: &Node) -> Fate {
    if matches!(node.kind, Kind::Directory(_)) { Fate::StaysAlone } else { Fate::Goes }
}

/// Of the state that stands beside them.
fn copies(path: &[u8], node: &Node) -> Fate {
    let is_file = matches!(node.kind, Kind::File(_));
    if is_file && !path.contains(&b'/') && path.ends_with(b"-old") {
        Fate::Goes
    } else {
        Fate::Stays
    }
}

/// `update-alternatives` fails in packages that are installed later if `man1` and its like are gone.
fn sections(path: &[u8], node: &Node) -> Fate {
    let is_section = path.starts_with(b"man") && !path.contains(&b'/');
    if is_section && matches!(node.kind, Kind::Directory(_)) {
        Fate::StaysAlone
    } else {
        Fate::Goes
    }
}
