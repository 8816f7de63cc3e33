//! `config.json` as docker and its relatives write it: `auths`, `credHelpers`, `credsStore`.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    time::Duration,
};

use base64::{Engine, prelude::BASE64_STANDARD};
use serde::Deserialize;

use super::{CredentialError, Login, helper, off_thread};
use crate::{name::Host, registries::Reader, upstream::secret::Secret};

const MAX_BYTES: u64 = 1 << 20;
/// What clients call Docker Hub in such a file.
const DOCKER_HUB: &str = "https://index.docker.io/v1/";

/// There is much more in such files.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DockerConfig {
    #[serde(default)]
    auths: HashMap<String, Entry>,
    #[serde(default)]
    cred_helpers: HashMap<String, String>,
    #[serde(default)]
    creds_store: String,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(default)]
    auth: String,
    #[serde(default)]
    identitytoken: String,
    #[serde(default)]
    username: String,
    #[serde(default)]
    password: String,
}

/// The helper for this registry, else what the file itself has, else the helper for all.
pub(super) async fn login(
    path: PathBuf,
    host: &Host,
    limit: Duration,
) -> Result<Option<Login>, CredentialError> {
    let config = off_thread(move || read(&path)).await?;
    if let Some(helper) = named(&config.cred_helpers, host) {
        return helper::login(helper, server(host), limit).await;
    }
    if let Some(login) = named(&config.auths, host).and_then(Entry::login) {
        return Ok(Some(login));
    }
    if config.creds_store.is_empty() {
        return Ok(None);
    }
    helper::login(&config.creds_store, server(host), limit).await
}

fn read(path: &Path) -> Result<DockerConfig, CredentialError> {
    let bytes = Reader::Owner.read(path, MAX_BYTES)?;
    serde_json::from_slice(&bytes).map_err(|error| {
        // Its words may quote what stands there.
        let reason = format!("line {}, column {}", error.line(), error.column());
        CredentialError::DockerConfig { path: path.to_owned(), reason }
    })
}

impl Entry {
    fn login(&self) -> Option<Login> {
        if !self.identitytoken.is_empty() {
            return Some(Login::Identity(Secret::new(&self.identitytoken)));
        }
        if self.auth.is_empty() {
            let Self { username, password, .. } = self;
            return pair(username, password);
        }
        let bytes = BASE64_STANDARD.decode(self.auth.trim()).ok()?;
        let text = String::from_utf8(bytes).ok()?;
        let (username, password) = text.split_once(':')?;
        pair(username, password.trim_matches('\0'))
    }
}

fn pair(username: &str, password: &str) -> Option<Login> {
    if username.is_empty() || password.is_empty() {
        return None;
    }
    Some(Login::Password { username: username.to_owned(), password: Secret::new(password) })
}

/// The entry for exactly this registry, however its key is written.
fn named<'a, T>(entries: &'a HashMap<String, T>, host: &Host) -> Option<&'a T> {
    let exact = entries.get(host.as_str());
    exact.or_else(|| {
        let mut keys: Vec<&String> = entries.keys().filter(|key| means(key, host)).collect();
        // Of several the same one each time.
        keys.sort_unstable();
        entries.get(*keys.first()?)
    })
}

/// `https://registry.example/v2/` is the registry; `registry.example/team` is only a part of it, whose
/// password is not for the rest.
fn means(key: &str, host: &Host) -> bool {
    let rest = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://")).unwrap_or(key);
    let (name, path) = rest.split_once('/').unwrap_or((rest, ""));
    let is_whole = matches!(path.trim_end_matches('/'), "" | "v1" | "v2");
    let named = name.parse::<Host>().map(Host::canonical);
    is_whole && (name == host.as_str() || named.is_ok_and(|named| named == *host))
}

/// As helpers know it.
fn server(host: &Host) -> &str {
    if host.as_str() == "docker.io" { DOCKER_HUB } else { host.as_str() }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    async fn found(config: &str, host: &str) -> Result<Option<Login>, CredentialError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), config).unwrap();
        let host = host.parse().unwrap();
        login(file.path().to_owned(), &host, Duration::from_secs(5)).await
    }

    #[tokio::test]
    async fn entries_belong_to_their_registry_alone() {
        // u:p
        let config = r#"{"auths": {
            "registry.example": {"auth": "dTpw"}, "https://other.example:5000/v2/": {"auth": "dTpw"},
            "https://index.docker.io/v1/": {"username": "u", "password": "p"},
            "team.example/team": {"auth": "dTpw"}, "token.example": {"identitytoken": "t"},
            "empty.example": {}, "bad.example": {"auth": "!"}, "nocolon.example": {"auth": "dXA="}},
            "HttpHeaders": {"X": "y"}}"#;
        let password =
            || Some(Login::Password { username: "u".into(), password: Secret::new("p") });
        let identity = Some(Login::Identity(Secret::new("t")));
        for (host, expected) in [
            ("registry.example", password()),
            ("other.example:5000", password()),
            ("docker.io", password()),
            ("token.example", identity),
            ("registry.example:5000", None),
            ("other.example", None),
            ("sub.registry.example", None),
            ("registry.example.evil.example", None),
            ("xregistry.example", None),
            ("index.docker.io", password()),
            ("registry-1.docker.io", None),
            ("auth.docker.io", None),
            ("team.example", None),
            ("empty.example", None),
            ("bad.example", None),
            ("nocolon.example", None),
        ] {
            assert_eq!(found(config, host).await.unwrap(), expected, "{host}");
        }
    }

    #[tokio::test]
    async fn what_is_wrong_is_told_without_what_it_says() {
        for config in ["", "{\"auths\": {\"a\": {\"auth\": \"hunter2\"", "{\"auths\": \"hunter2\"}"]
        {
            let error = found(config, "a").await.unwrap_err();
            let told = format!("{error} {error:?}");
            assert!(told.contains("line 1") && !told.contains("hunter2"), "{told}");
        }
        let helper = r#"{"credHelpers": {"a": "../../bin/sh"}}"#;
        assert!(matches!(found(helper, "a").await, Err(CredentialError::HelperName { .. })));
    }
}
