//! What a build's owner hands over for its steps: in this process's memory alone, from the request to
//! the guest.
//!
//! Nothing here is written down, shown, or compared. A kilnd that is started anew has none: a build
//! that had not begun then says so, and one that has goes on with what its guest was given.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use zeroize::Zeroizing;

use crate::job::Build;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecretKind {
    /// Of a `--mount=type=secret`.
    Secret,
    /// A private key, of a `--mount=type=ssh`.
    SshKey,
}

pub struct Secret {
    pub kind: SecretKind,
    pub id: String,
    value: Zeroizing<Vec<u8>>,
}

impl Secret {
    pub fn new(kind: SecretKind, id: String, value: impl Into<Vec<u8>>) -> Self {
        Self { kind, id, value: Zeroizing::new(value.into()) }
    }

    pub fn expose(&self) -> &[u8] {
        &self.value
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, id, value: _never_shown } = self;
        f.debug_struct("Secret").field("kind", kind).field("id", id).finish_non_exhaustive()
    }
}

/// Of one job.
#[derive(Debug, Default)]
pub struct Secrets(Mutex<Option<Arc<[Secret]>>>);

impl Secrets {
    /// Those that are there already stay: whoever asks for a job once more does not change it.
    pub fn put(&self, secrets: Vec<Secret>) {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if held.is_none() && !secrets.is_empty() {
            *held = Some(secrets.into());
        }
    }

    /// Their memory is overwritten when nobody else has them any more.
    pub fn forget(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// All that `build` needs; none where it needs some and they are not here.
    pub fn of(&self, build: &Build) -> Option<Arc<[Secret]>> {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let held = held.unwrap_or_else(|| Arc::new([]));
        let has = |kind, id: &String| held.iter().any(|one| one.kind == kind && one.id == *id);
        let keys = build.ssh.iter().filter(|source| source.key);
        let all = build.secrets.iter().all(|id| has(SecretKind::Secret, id))
            && keys.into_iter().all(|source| has(SecretKind::SshKey, &source.id));
        all.then_some(held)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{build::samples, job::SshSource};

    fn secret(kind: SecretKind, id: &str) -> Secret {
        Secret::new(kind, id.to_owned(), *b"hunter2")
    }

    #[test]
    fn a_build_has_all_of_its_secrets_or_none() {
        let secrets = Secrets::default();
        let plain = samples::build();
        assert_eq!(secrets.of(&plain).unwrap().len(), 0);
        let key = SshSource { id: "default".to_owned(), key: true };
        let relayed = SshSource { id: "agent".to_owned(), key: false };
        let build = Build {
            secrets: vec!["token".to_owned()],
            ssh: vec![key, relayed],
            ..samples::build()
        };
        assert!(secrets.of(&build).is_none());
        secrets.put(vec![secret(SecretKind::Secret, "token")]);
        assert!(secrets.of(&build).is_none(), "its key is missing");
        secrets.forget();
        let both =
            || vec![secret(SecretKind::Secret, "token"), secret(SecretKind::SshKey, "default")];
        secrets.put(both());
        secrets.put(Vec::new());
        assert_eq!(secrets.of(&build).unwrap()[1].expose(), b"hunter2");
        secrets.forget();
        assert!(secrets.of(&build).is_none());
    }

    #[test]
    fn no_value_is_shown() {
        let secrets = Secrets::default();
        secrets.put(vec![secret(SecretKind::Secret, "token")]);
        let shown = format!("{secrets:?}");
        assert!(shown.contains("token") && !shown.contains("hunter2"), "{shown}");
        assert!(!shown.contains(&format!("{:?}", b"hunter2".to_vec())), "{shown}");
    }
}
