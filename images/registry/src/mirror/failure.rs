//! What a registry's failure means for what is stored, and how it is told.

use std::{fmt, time::Duration};

use crate::{
    caller::Caller,
    digest::Digest,
    name::{Host, RepositoryName, Target},
    problem::{Code, Problem, Upstream},
    store::StoreError,
};

use super::{right::Reach, source::Place};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    Answered {
        status: u16,
        retry_after: Option<Duration>,
    },
    /// It wants credentials: there are none, or others.
    Unauthorized {
        why: String,
        /// Some were sent.
        credentials: bool,
    },
    /// 403.
    Denied {
        /// Some were sent.
        credentials: bool,
    },
    /// Not found, not reached, or silent for too long.
    Away {
        why: String,
    },
    /// It leads to where nobody may be led: an address, a redirect, a token realm.
    Forbidden {
        why: String,
    },
    /// It answers, but not with what was asked for.
    Lies {
        code: Code,
        why: String,
    },
    /// Of this caller's own making or this host's: nothing to do with the registry.
    Here(Problem),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// This tenant may not read it, or it is not there any more.
    Refused,
    /// It may say something else later: what is stored stands in for it.
    Absent,
    /// Nothing about what is stored; but nothing stands in for it either.
    Wrong,
}

/// What was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Asked {
    pub host: Host,
    pub name: RepositoryName,
    pub target: Wanted,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Wanted {
    Manifest(Target),
    Blob(Digest),
}

impl Failure {
    pub(crate) fn of_store(error: StoreError) -> Self {
        Self::Here(error.into())
    }

    pub(crate) fn meaning(&self) -> Meaning {
        match self {
            Self::Answered { status: 401 | 403 | 404 | 410 | 451, .. }
            | Self::Unauthorized { .. }
            | Self::Denied { .. } => Meaning::Refused,
            Self::Answered { status: 408 | 429 | 500.., .. } | Self::Away { .. } => Meaning::Absent,
            Self::Answered { .. } | Self::Forbidden { .. } | Self::Lies { .. } | Self::Here(_) => {
                Meaning::Wrong
            }
        }
    }

    /// Whether it says that not everybody may read this repository. What one is told who showed
    /// credentials says nothing of those who show none. A 404 says so only of what was there before:
    /// anyone can ask for what never was.
    pub(crate) fn ends_publicity(&self, was_stored: bool) -> bool {
        match self {
            Self::Unauthorized { credentials, .. } | Self::Denied { credentials } => !credentials,
            Self::Answered { status: 404 | 410 | 451, .. } => was_stored,
            _ => false,
        }
    }

    pub(crate) fn tell(&self, asked: &Asked) -> Problem {
        let host = &asked.host;
        let upstream = |status, retry_after: Option<Duration>| {
            let retry_after_seconds = retry_after.map(whole_seconds);
            Some(Upstream { host: host.clone(), status, retry_after_seconds })
        };
        let problem = |code, status, message, upstream| Problem { code, status, message, upstream };
        match self {
            Self::Answered { status, retry_after } => {
                let (code, own, message) = answered(*status, *retry_after, asked);
                problem(code, own, message, upstream(Some(*status), *retry_after))
            }
            Self::Denied { credentials: _ } => {
                let (code, own, message) = answered(403, None, asked);
                problem(code, own, message, upstream(Some(403), None))
            }
            Self::Unauthorized { why, credentials: _ } => problem(
                Code::Denied,
                403,
                format!("{host} does not give {asked}: {why}"),
                upstream(Some(401), None),
            ),
            Self::Away { why } => problem(
                Code::Unavailable,
                502,
                format!("{host} does not answer, and {asked} is not stored: {why}"),
                upstream(None, None),
            ),
            Self::Forbidden { why } => {
                problem(Code::Denied, 403, format!("{asked}: {why}"), upstream(None, None))
            }
            Self::Lies { code, why } => problem(
                *code,
                502,
                format!("{host} sent a wrong {asked}: {why}"),
                upstream(None, None),
            ),
            Self::Here(problem) => problem.clone(),
        }
    }
}

fn answered(status: u16, retry_after: Option<Duration>, asked: &Asked) -> (Code, u16, String) {
    let host = &asked.host;
    match status {
        401 => (
            Code::Denied,
            403,
            format!("{host} wants credentials for {asked}: the operator gives them"),
        ),
        403 | 451 => (Code::Denied, 403, format!("{host} lets this tenant not have {asked}")),
        404 | 410 => (asked.unknown(), 404, format!("{host} has no {asked}")),
        429 => {
            let when = retry_after.map_or_else(String::new, |wait| {
                format!(", try again in {} s", whole_seconds(wait))
            });
            (
                Code::TooManyRequests,
                429,
                format!("{host} limits requests, and {asked} is not stored{when}"),
            )
        }
        _ => {
            (Code::Unavailable, 502, format!("{host} answered {status}, and {asked} is not stored"))
        }
    }
}

impl Asked {
    pub(crate) fn by(&self, caller: &Caller) -> Place {
        let (tenant, host) = (caller.tenant.clone(), self.host.clone());
        Place { tenant, host, name: self.name.clone() }
    }

    fn unknown(&self) -> Code {
        match self.target {
            Wanted::Manifest(_) => Code::ManifestUnknown,
            Wanted::Blob(_) => Code::BlobUnknown,
        }
    }

    /// What is told to who reaches no registry.
    pub(crate) fn not_here(&self, reach: Reach) -> Problem {
        let host = &self.host;
        match reach {
            Reach::Nothing => Problem::new(
                Code::Denied,
                403,
                format!("the egress policy does not name {host}: allow it to have {self}"),
            ),
            Reach::Stored | Reach::Registry => Problem::new(
                Code::Denied,
                403,
                format!("the egress policy lets nothing in, and {self} of {host} is not stored"),
            ),
            Reach::Offline => Problem::new(
                Code::Unavailable,
                503,
                format!("this host is offline, and {self} of {host} is not stored"),
            ),
        }
    }

    pub(crate) fn too_many(&self, wait: Duration) -> Problem {
        let seconds = whole_seconds(wait);
        Problem::new(
            Code::TooManyRequests,
            429,
            format!("too many requests for registries: ask for {self} again in {seconds} s"),
        )
    }
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host: _, name, target } = self;
        match target {
            Wanted::Manifest(Target::Tag(tag)) => write!(f, "{name}:{tag}"),
            Wanted::Manifest(Target::Digest(digest)) => write!(f, "{name}@{digest}"),
            Wanted::Blob(digest) => write!(f, "blob {digest} of {name}"),
        }
    }
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Manifest(target) => target.fmt(f),
            Self::Blob(digest) => digest.fmt(f),
        }
    }
}

fn whole_seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn asked() -> Asked {
        Asked {
            host: "registry.example".parse().unwrap(),
            name: "team/app".parse().unwrap(),
            target: Wanted::Manifest("v1".parse().unwrap()),
        }
    }

    fn answer(status: u16) -> Failure {
        Failure::Answered { status, retry_after: None }
    }

    #[test]
    fn statuses_are_told_in_our_words() {
        for (status, own, code, meaning) in [
            (400, 502, Code::Unavailable, Meaning::Wrong),
            (401, 403, Code::Denied, Meaning::Refused),
            (403, 403, Code::Denied, Meaning::Refused),
            (404, 404, Code::ManifestUnknown, Meaning::Refused),
            (405, 502, Code::Unavailable, Meaning::Wrong),
            (410, 404, Code::ManifestUnknown, Meaning::Refused),
            (429, 429, Code::TooManyRequests, Meaning::Absent),
            (451, 403, Code::Denied, Meaning::Refused),
            (500, 502, Code::Unavailable, Meaning::Absent),
            (503, 502, Code::Unavailable, Meaning::Absent),
        ] {
            let told = answer(status).tell(&asked());
            assert_eq!((told.status, told.code), (own, code), "{status}");
            assert_eq!(told.upstream.unwrap().status, Some(status));
            assert_eq!(answer(status).meaning(), meaning, "{status}");
        }
    }

    #[test]
    fn retry_after_is_passed_on_rounded_up() {
        let wait = Duration::from_millis(6_100);
        let told = Failure::Answered { status: 429, retry_after: Some(wait) }.tell(&asked());
        assert_eq!(told.upstream.unwrap().retry_after_seconds, Some(7));
        assert!(told.message.ends_with("try again in 7 s"), "{}", told.message);
    }

    proptest! {
        #[test]
        fn nothing_is_told_as_a_success_or_asks_for_credentials(status in any::<u16>()) {
            let told = answer(status).tell(&asked());
            prop_assert!((403..=599).contains(&told.status));
            prop_assert!(told.message.contains("registry.example"));
        }

        #[test]
        fn who_is_refused_is_not_served_what_is_stored(status in any::<u16>()) {
            let failure = answer(status);
            let refused = matches!(status, 401 | 403 | 404 | 410 | 451);
            prop_assert_eq!(failure.meaning() == Meaning::Refused, refused);
            prop_assert!(refused || !failure.ends_publicity(true));
        }
    }

    #[test]
    fn the_hosts_paths_are_not_told() {
        let path = std::path::PathBuf::from("/var/lib/kiln/registry/secret");
        let told = Failure::of_store(StoreError::InUse { path }).tell(&asked());
        assert_eq!((told.status, told.code), (500, Code::Unavailable));
        assert!(told.message.starts_with("the image store of this host failed"), "{told}");
        assert!(!told.to_json().contains("secret"), "{told}");
    }

    #[test]
    fn asking_for_what_never_was_ends_no_publicity() {
        assert!(!answer(404).ends_publicity(false));
        assert!(answer(404).ends_publicity(true));
    }

    #[test]
    fn who_shows_credentials_ends_his_own_right_alone() {
        for credentials in [true, false] {
            let why = "it wants others".to_owned();
            for failure in
                [Failure::Unauthorized { why, credentials }, Failure::Denied { credentials }]
            {
                assert_eq!(failure.meaning(), Meaning::Refused);
                assert_eq!(failure.ends_publicity(true), !credentials);
                assert_eq!(failure.ends_publicity(false), !credentials);
                assert_eq!(failure.tell(&asked()).status, 403);
            }
        }
    }
}
