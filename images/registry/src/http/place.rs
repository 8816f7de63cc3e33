//! Which repository a name means.
//!
//! | request | means |
//! |---|---|
//! | any name with `?ns=HOST`, or asked of HOST as of a proxy | HOST's repository of that name |
//! | `local/NAME` | what the caller's tenant pushed to this host |
//! | `HOST/NAME`, `HOST_PORT/NAME` | HOST's; `:` is no character of names |

use std::fmt;

use crate::{
    name::{Host, InvalidName, RepositoryName},
    problem::{Code, Problem},
    repository::{Repository, Space},
};

/// The first component of what is kept on this host.
pub const LOCAL: &str = "local";

/// As guests call the registry of their host.
pub const OWN_NAME: &str = "registry.kiln";

/// Displays as references have it: `local/app`, `docker.io/library/debian`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    Own(RepositoryName),
    Other { host: Host, name: RepositoryName },
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Misplaced {
    #[error("{name}: {source}")]
    Invalid { name: String, source: InvalidName },
    #[error(
        "{name} is nothing here: say local/NAME for what this host keeps, HOST/NAME for what another \
         registry does, HOST_PORT/NAME when it has a port"
    )]
    Unknown { name: String },
}

impl Place {
    /// `registry`: the one that was named beside the name.
    pub fn of(name: &str, registry: Option<&str>) -> Result<Self, Misplaced> {
        match registry.map(str::to_ascii_lowercase) {
            Some(registry) if !is_own(&registry) => {
                let host: Host = registry.parse().map_err(|source| invalid(&registry, source))?;
                Self::other(&host.canonical(), name)
            }
            _ => Self::named(name),
        }
    }

    fn named(name: &str) -> Result<Self, Misplaced> {
        let unknown = || Misplaced::Unknown { name: quoted(name) };
        let Some((first, rest)) = name.split_once('/') else {
            // It may be told apart from a name that is none at all.
            let _: RepositoryName = name.parse().map_err(|source| invalid(name, source))?;
            return Err(unknown());
        };
        if first == LOCAL {
            return rest.parse().map(Self::Own).map_err(|source| invalid(rest, source));
        }
        match host(first) {
            // Once is how references have it.
            Some(host) if is_own(host.as_str()) => match rest.split_once('/') {
                Some((LOCAL, _)) => Self::named(rest),
                _ => Err(unknown()),
            },
            Some(host) => Self::other(&host.canonical(), rest),
            None => {
                let _: RepositoryName = name.parse().map_err(|source| invalid(name, source))?;
                Err(unknown())
            }
        }
    }

    fn other(host: &Host, name: &str) -> Result<Self, Misplaced> {
        let is_short = host.as_str() == "docker.io" && !name.contains('/');
        let full = if is_short { format!("library/{name}") } else { name.to_owned() };
        let name = full.parse().map_err(|source| invalid(name, source))?;
        Ok(Self::Other { host: host.clone(), name })
    }

    /// Where the store has it, unless it is hidden: see [`crate::build`].
    pub fn repository(&self, tenant: &str) -> Repository {
        match self {
            Self::Own(name) => {
                let space = Space::Local { tenant: tenant.to_owned() };
                Repository { space, name: name.clone() }
            }
            Self::Other { host, name } => {
                Repository { space: Space::Mirror { host: host.clone() }, name: name.clone() }
            }
        }
    }

    /// As it is recorded: beside the registry, where there is one.
    pub fn name(&self) -> String {
        match self {
            Self::Own(_) => self.to_string(),
            Self::Other { name, .. } => name.to_string(),
        }
    }

    pub fn host(&self) -> Option<&Host> {
        match self {
            Self::Own(_) => None,
            Self::Other { host, .. } => Some(host),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Own(name) => write!(f, "{LOCAL}/{name}"),
            Self::Other { host, name } => write!(f, "{host}/{name}"),
        }
    }
}

impl From<Misplaced> for Problem {
    fn from(misplaced: Misplaced) -> Self {
        let (code, status) = match &misplaced {
            Misplaced::Invalid { .. } => (Code::NameInvalid, 400),
            Misplaced::Unknown { .. } => (Code::NameUnknown, 404),
        };
        Self::new(code, status, misplaced.to_string())
    }
}

/// A component that names a registry, as references tell them from directories.
fn host(component: &str) -> Option<Host> {
    let port = component
        .rsplit_once('_')
        .filter(|(_, port)| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()));
    match port {
        Some((name, port)) => format!("{name}:{port}").parse().ok(),
        None if component.contains('.') || component == "localhost" => component.parse().ok(),
        None => None,
    }
}

fn is_own(registry: &str) -> bool {
    registry.strip_prefix(OWN_NAME).is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
}

fn invalid(name: &str, source: InvalidName) -> Misplaced {
    Misplaced::Invalid { name: quoted(name), source }
}

/// For people: bounded, and nothing in it that a terminal would obey.
fn quoted(name: &str) -> String {
    crate::problem::escaped(name, 128)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, registry: Option<&str>, expected: &str) {
        let place = Place::of(name, registry).map(|place| place.to_string());
        assert_eq!(place.as_deref(), Ok(expected), "{name} {registry:?}");
    }

    #[test]
    fn names() {
        check("local/app", None, "local/app");
        check("local/a/b", None, "local/a/b");
        check("registry.kiln_5000/local/a", None, "local/a");
        check("docker.io/debian", None, "docker.io/library/debian");
        check("docker.io/a/b", None, "docker.io/a/b");
        check("index.docker.io/debian", None, "docker.io/library/debian");
        check("registry.example_5443/app", None, "registry.example:5443/app");
        check("registry.example_443/app", None, "registry.example/app");
        check("localhost/app", None, "localhost/app");
        check("localhost_5000/app", None, "localhost:5000/app");
        check("192.0.2.1_5000/app", None, "192.0.2.1:5000/app");
    }

    #[test]
    fn registries_beside_names() {
        check("library/debian", Some("docker.io"), "docker.io/library/debian");
        check("debian", Some("registry-1.docker.io"), "docker.io/library/debian");
        check("app", Some("Registry.Example:443"), "registry.example/app");
        check("local/app", Some("registry.example:5000"), "registry.example:5000/local/app");
        check("docker.io/app", Some("registry.example"), "registry.example/docker.io/app");
        check("local/app", Some("registry.kiln:5000"), "local/app");
        check("docker.io/app", Some("registry.kiln"), "docker.io/library/app");
    }

    #[test]
    fn names_that_mean_nothing() {
        for name in ["app", "library/debian", "local", "_/a", "registry.kiln_5000/docker.io/a"] {
            let misplaced = Place::of(name, None).unwrap_err();
            assert!(!misplaced.to_string().is_empty(), "{name}");
        }
        assert!(matches!(Place::of("library/debian", None), Err(Misplaced::Unknown { .. })));
        for (name, registry) in [
            ("local/", None),
            ("local/A", None),
            ("local/../a", None),
            ("docker.io/", None),
            ("app", Some("")),
            ("app", Some("a b")),
            ("app", Some("registry.example/x")),
            ("app\u{1b}[31m", None),
        ] {
            let misplaced = Place::of(name, registry).unwrap_err();
            assert!(matches!(misplaced, Misplaced::Invalid { .. }), "{name:?} {registry:?}");
            assert!(misplaced.to_string().bytes().all(|byte| (32..127).contains(&byte)));
        }
    }
}
