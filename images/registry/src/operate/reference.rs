//! Images as people type them: `[REGISTRY/]NAME[:TAG][@DIGEST]`, docker's short names included.

use std::{fmt, str::FromStr};

use crate::{
    build,
    digest::Digest,
    name::{Host, InvalidName, RepositoryName, Tag, Target},
    repository::{Repository, Space},
};

const DOCKER: &str = "docker.io";
/// Where docker keeps names of one component.
const DOCKER_OFFICIAL: &str = "library/";
const LOCAL: &str = "local";
const LATEST: &str = "latest";
const MAX_BYTES: usize = 1024;

/// Displays in full.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Reference {
    pub place: Place,
    /// In its registry: without `local/`.
    pub name: RepositoryName,
    /// With a digest no more than a note.
    pub tag: Option<Tag>,
    pub digest: Option<Digest>,
}

/// Whose name it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// `local/…`
    Local,
    Registry(Host),
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidReference {
    #[error(
        "not an image: expected [REGISTRY/]NAME[:TAG][@DIGEST], as in local/app:1 or debian:12"
    )]
    Empty,
    #[error("not an image: an address has no place in a reference; leave {scheme}:// away")]
    Url { scheme: String },
    #[error("not an image: repositories are in lower case")]
    UpperCase,
    #[error("not an image that has a name: local/kiln.build is this host's own; use another")]
    Reserved,
    #[error("not an image: too long")]
    TooLong,
    #[error("not an image")]
    Name(#[source] InvalidName),
}

impl Reference {
    /// Of what is asked for: the digest where there is one.
    pub fn target(&self) -> Target {
        match (self.digest, &self.tag) {
            (Some(digest), _) => Target::Digest(digest),
            (None, Some(tag)) => Target::Tag(tag.clone()),
            (None, None) => Target::Tag(latest()),
        }
    }

    pub fn repository(&self, tenant: &str) -> Repository {
        let space = match &self.place {
            Place::Local => Space::Local { tenant: tenant.to_owned() },
            Place::Registry(host) => Space::Mirror { host: host.clone() },
        };
        Repository { space, name: self.name.clone() }
    }

    /// As somebody else in the same repository.
    #[must_use]
    pub fn with(&self, target: Target) -> Self {
        let (tag, digest) = match target {
            Target::Tag(tag) => (Some(tag), None),
            Target::Digest(digest) => (None, Some(digest)),
        };
        Self { place: self.place.clone(), name: self.name.clone(), tag, digest }
    }

    /// Of what is stored.
    pub fn of(repository: &Repository, target: Target) -> Self {
        let place = match &repository.space {
            // What a build made has no name; its messages call it by the job.
            Space::Local { .. } | Space::Build { .. } => Place::Local,
            Space::Mirror { host } => Place::Registry(host.clone()),
        };
        let unnamed = Self { place, name: repository.name.clone(), tag: None, digest: None };
        unnamed.with(target)
    }

    /// `local/app`, `docker.io/library/debian`
    pub fn name(&self) -> String {
        match &self.place {
            Place::Local => format!("{LOCAL}/{}", self.name),
            Place::Registry(host) => format!("{host}/{}", self.name),
        }
    }
}

impl FromStr for Reference {
    type Err = InvalidReference;

    fn from_str(text: &str) -> Result<Self, InvalidReference> {
        if text.len() > MAX_BYTES {
            return Err(InvalidReference::TooLong);
        }
        if let Some((scheme, _)) = text.split_once("://") {
            let scheme = scheme.chars().filter(char::is_ascii_alphanumeric).take(16).collect();
            return Err(InvalidReference::Url { scheme });
        }
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => {
                let digest: Result<Digest, _> = digest.parse();
                (rest, Some(digest.map_err(|error| InvalidReference::Name(error.into()))?))
            }
            None => (text, None),
        };
        let (path, tag) = match rest.rsplit_once(':') {
            // A port, else.
            Some((path, tag)) if !tag.contains(['/', ']']) => {
                (path, Some(tag.parse().map_err(InvalidReference::Name)?))
            }
            _ => (rest, None),
        };
        let (place, name) = place(path)?;
        if name.is_empty() {
            return Err(InvalidReference::Empty);
        }
        if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Err(InvalidReference::UpperCase);
        }
        let name = name.parse().map_err(InvalidReference::Name)?;
        if place == Place::Local && build::is_reserved(&name) {
            return Err(InvalidReference::Reserved);
        }
        let tag = if digest.is_none() { Some(tag.unwrap_or_else(latest)) } else { tag };
        Ok(Self { place, name, tag, digest })
    }
}

/// Whose, and which name there.
fn place(path: &str) -> Result<(Place, String), InvalidReference> {
    let (first, rest) = path.split_once('/').unwrap_or(("", path));
    let is_registry = first == "localhost" || first.contains(['.', ':']);
    if first == LOCAL {
        return Ok((Place::Local, rest.to_owned()));
    }
    let host = if is_registry { first.to_ascii_lowercase() } else { DOCKER.to_owned() };
    let host = host.parse::<Host>().map_err(InvalidReference::Name)?.canonical();
    let name = if is_registry { rest } else { path };
    let is_official = host.as_str() == DOCKER && !name.contains('/') && !name.is_empty();
    let name = if is_official { format!("{DOCKER_OFFICIAL}{name}") } else { name.to_owned() };
    Ok((Place::Registry(host), name))
}

fn latest() -> Tag {
    LATEST.parse().expect("a tag")
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_they_are_typed() {
        let digest = Digest::of(b"x").to_string();
        for (typed, full) in [
            ("debian", "docker.io/library/debian:latest"),
            ("debian:12", "docker.io/library/debian:12"),
            ("user/app", "docker.io/user/app:latest"),
            ("docker.io/debian", "docker.io/library/debian:latest"),
            ("docker.io/library/debian:12", "docker.io/library/debian:12"),
            ("index.docker.io/debian", "docker.io/library/debian:latest"),
            ("registry.example:443/app", "registry.example/app:latest"),
            ("local/app:1", "local/app:1"),
            ("local/group/app", "local/group/app:latest"),
            ("localhost/app", "localhost/app:latest"),
            ("localhost:5000/app:2", "localhost:5000/app:2"),
            ("Registry.Example:5443/app", "registry.example:5443/app:latest"),
            ("[2001:db8::1]:5000/a", "[2001:db8::1]:5000/a:latest"),
            ("[2001:db8::1]/a:b", "[2001:db8::1]/a:b"),
            ("local/kiln.builds/app:1", "local/kiln.builds/app:1"),
            ("registry.example/kiln.build/app:1", "registry.example/kiln.build/app:1"),
        ] {
            let reference: Reference = typed.parse().unwrap();
            assert_eq!(reference.to_string(), full, "{typed}");
            assert_eq!(full.parse(), Ok(reference));
        }
        let by_digest: Reference = format!("registry.example/app@{digest}").parse().unwrap();
        assert_eq!(by_digest.target(), Target::Digest(Digest::of(b"x")));
        assert_eq!(by_digest.tag, None);
        let by_both: Reference = format!("debian:12@{digest}").parse().unwrap();
        assert_eq!(by_both.target(), Target::Digest(Digest::of(b"x")));
        assert_eq!(by_both.to_string(), format!("docker.io/library/debian:12@{digest}"));
    }

    #[test]
    fn what_is_no_image() {
        for (text, words) in [
            ("", "expected [REGISTRY/]NAME"),
            ("local/", "expected [REGISTRY/]NAME"),
            ("registry.example/", "expected [REGISTRY/]NAME"),
            ("https://registry.example/app", "leave https:// away"),
            ("App", "lower case"),
            ("local/APP:1", "lower case"),
            ("app:", "not an image"),
            ("app:-1", "not an image"),
            ("app@sha256:0", "not an image"),
            ("a b", "not an image"),
            ("/app", "not an image"),
            ("a//b", "not an image"),
            ("registry.example:0/app", "not an image"),
            ("local/../etc", "not an image"),
            ("local/kiln.build", "local/kiln.build is this host's own"),
            ("local/kiln.build:1", "local/kiln.build is this host's own"),
            ("local/kiln.build/x/cache/0:cache", "local/kiln.build is this host's own"),
            (&format!("local/kiln.build/x@{}", Digest::of(b"x")), "is this host's own"),
            (&"a/".repeat(600), "too long"),
        ] {
            let error = text.parse::<Reference>().expect_err(text).to_string();
            assert!(error.contains(words), "{text}: {error}");
        }
    }
}
