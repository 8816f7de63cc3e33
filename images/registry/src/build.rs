//! Where a build's content is: in repositories of its own, which are in no list, which nobody names a
//! tag of, and which hold what is in them until they are dropped.
//!
//! | repository | holds | reached by |
//! |---|---|---|
//! | `JOB` | the images that it made | this host alone |
//! | `JOB/cache/N` | the cache that it pushes as its `N`th | its own guest, as `local/kiln.build/JOB/cache/N` |
//! | `JOB/done/N` | where that cache was brought to | this host alone |
//!
//! All of it counts for its tenant.

use crate::{
    name::{InvalidName, RepositoryName, Tag},
    repository::{Repository, Space},
};

/// The first component below `local/` of what a build's guest reaches beside its tenant's own.
const HIDDEN: &str = "kiln.build";
const CACHE_TAG: &str = "cache";

/// Which build, of which tenant.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Maker {
    tenant: String,
    job: RepositoryName,
}

impl Maker {
    /// `job` is one component of a name.
    pub fn new(tenant: impl Into<String>, job: &str) -> Result<Self, InvalidName> {
        let job: RepositoryName = job.parse()?;
        if job.as_str().contains('/') {
            return Err(InvalidName::Repository);
        }
        Ok(Self { tenant: tenant.into(), job })
    }

    pub fn tenant(&self) -> &str {
        &self.tenant
    }

    /// Of what it made.
    pub(crate) fn images(&self) -> Repository {
        self.repository(self.job.clone())
    }

    /// Of a cache that the host brings to where it belongs.
    pub(crate) fn cache(&self, number: usize) -> Repository {
        self.repository(named(&format!("{}/cache/{number}", self.job)))
    }

    /// Of the note that this was done. No guest writes there.
    pub(crate) fn done(&self, number: usize) -> Repository {
        self.repository(named(&format!("{}/done/{number}", self.job)))
    }

    /// What its guest calls that cache, below `local/`.
    pub fn cache_name(&self, number: usize) -> RepositoryName {
        named(&format!("{HIDDEN}/{}/cache/{number}", self.job))
    }

    /// And which tag it gives it.
    pub fn cache_tag() -> Tag {
        CACHE_TAG.parse().expect("a tag")
    }

    fn repository(&self, name: RepositoryName) -> Repository {
        Repository { space: Space::Build { tenant: self.tenant.clone() }, name }
    }
}

/// Whether a name below `local/` is one that nobody gives: of what is hidden, and near it.
pub(crate) fn is_reserved(name: &RepositoryName) -> bool {
    hidden(name).is_some()
}

/// What a name below `local/` means among what is hidden; none of those are a tenant's to give.
pub(crate) fn hidden(name: &RepositoryName) -> Option<Hidden> {
    let rest = name.as_str().strip_prefix(HIDDEN)?;
    let rest = match rest.strip_prefix('/') {
        Some(rest) => rest,
        None if rest.is_empty() => return Some(Hidden::Nothing),
        None => return None,
    };
    let mut parts = rest.split('/');
    let cache = match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(job), Some("cache"), Some(_), None) => Some((job.to_owned(), named(rest))),
        _ => None,
    };
    Some(cache.map_or(Hidden::Nothing, |(job, name)| Hidden::Cache { job, name }))
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Hidden {
    /// Of this build, under this name in [`Space::Build`].
    Cache {
        job: String,
        name: RepositoryName,
    },
    Nothing,
}

fn named(name: &str) -> RepositoryName {
    name.parse().expect("made of components of names")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn maker() -> Maker {
        Maker::new("a", "01k0job").unwrap()
    }

    #[test]
    fn a_cache_is_what_its_guest_calls_it() {
        let Some(Hidden::Cache { job, name }) = hidden(&maker().cache_name(3)) else {
            panic!("it is hidden")
        };
        assert_eq!((job.as_str(), name), ("01k0job", maker().cache(3).name));
        assert_eq!(maker().images().name.as_str(), "01k0job");
    }

    #[test]
    fn nothing_else_is_reached_by_a_name() {
        for name in [
            "kiln.build",
            "kiln.build/01k0job",
            "kiln.build/a/cache",
            "kiln.build/a/b/c",
            "kiln.build/01k0job/done/0",
        ] {
            assert_eq!(hidden(&name.parse().unwrap()), Some(Hidden::Nothing), "{name}");
        }
        for name in ["app", "kiln.builds/app", "kiln", "a/kiln.build/x"] {
            assert_eq!(hidden(&name.parse().unwrap()), None, "{name}");
        }
        for job in ["", "a/b", "A", ".."] {
            assert!(Maker::new("a", job).is_err(), "{job}");
        }
    }
}
