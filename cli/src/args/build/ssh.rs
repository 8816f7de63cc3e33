//! `--ssh default|ID[=SOCKET|=KEY]`.

use std::{path::PathBuf, str::FromStr};

/// What a step finds as its ssh agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ssh {
    pub(crate) id: String,
    /// A socket of an agent or a key; none is the agent of `SSH_AUTH_SOCK`.
    pub(crate) paths: Vec<PathBuf>,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidSsh {
    #[error("it needs an id: write default, ID or ID=PATH")]
    NoId,
    #[error("a path is empty: write {id}=SOCKET or {id}=KEY")]
    NoPath { id: String },
}

impl FromStr for Ssh {
    type Err = InvalidSsh;

    fn from_str(text: &str) -> Result<Self, InvalidSsh> {
        let (id, paths) = match text.split_once('=') {
            Some((id, paths)) => (id, paths.split(',').map(PathBuf::from).collect()),
            None => (text, Vec::new()),
        };
        if id.is_empty() {
            return Err(InvalidSsh::NoId);
        }
        if paths.iter().any(|path| path.as_os_str().is_empty()) {
            return Err(InvalidSsh::NoPath { id: id.to_owned() });
        }
        Ok(Self { id: id.to_owned(), paths })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agents_and_keys() {
        let check = |text: &str, id: &str, paths: &[&str]| {
            let paths = paths.iter().map(PathBuf::from).collect();
            assert_eq!(text.parse(), Ok(Ssh { id: id.to_owned(), paths }), "{text}");
        };
        check("default", "default", &[]);
        check("git", "git", &[]);
        check("default=/run/agent", "default", &["/run/agent"]);
        check("git=a,b", "git", &["a", "b"]);
        assert_eq!("".parse::<Ssh>(), Err(InvalidSsh::NoId));
        assert_eq!("=a".parse::<Ssh>(), Err(InvalidSsh::NoId));
        assert_eq!("a=".parse::<Ssh>(), Err(InvalidSsh::NoPath { id: "a".to_owned() }));
    }
}
