//! Secrets and ssh: what the spec names, and the values that came for it.

use kiln_proto::{agent::MAX_BUILD_PARTS_BYTES, v1};

use super::text::{at_most, id, once};
use crate::{
    api::field::InvalidField,
    build::secrets::{Secret, SecretKind},
    job::{Build, Dockerfile, SshSource},
};

const MOST: usize = 64;
/// As the engine has it.
const MOST_VALUE_BYTES: usize = 500 * 1024;

pub(super) fn names(wire: Vec<String>) -> Result<Vec<String>, InvalidField> {
    let at = "spec.build.secrets";
    at_most(at, wire.len(), MOST)?;
    for (index, name) in wire.iter().enumerate() {
        let field = format!("{at}[{index}]");
        id(&field, name)?;
        once(&field, name, &wire[..index])?;
    }
    Ok(wire)
}

pub(super) fn ssh(wire: Vec<v1::SshSource>) -> Result<Vec<SshSource>, InvalidField> {
    let at = "spec.build.ssh";
    at_most(at, wire.len(), MOST)?;
    let mut ids = Vec::with_capacity(wire.len());
    let mut sources = Vec::with_capacity(wire.len());
    for (index, v1::SshSource { id: name, key }) in wire.into_iter().enumerate() {
        let field = format!("{at}[{index}].id");
        id(&field, &name)?;
        once(&field, &name, &ids)?;
        ids.push(name.clone());
        sources.push(SshSource { id: name, key });
    }
    Ok(sources)
}

/// Exactly one for each that the spec names.
pub(super) fn values(
    wire: Vec<v1::SecretValue>,
    build: &Build,
) -> Result<Vec<Secret>, InvalidField> {
    let mut wanted: Vec<_> =
        build.secrets.iter().map(|name| (SecretKind::Secret, name.as_str())).collect();
    let keys = build.ssh.iter().filter(|source| source.key);
    wanted.extend(keys.map(|source| (SecretKind::SshKey, source.id.as_str())));
    let mut parts: Vec<Secret> = Vec::with_capacity(wire.len());
    let mut total = match &build.dockerfile {
        Dockerfile::Inline(text) => text.len(),
        Dockerfile::InContext(_) => 0,
    };
    for (index, v1::SecretValue { id, value, ssh_key }) in wire.into_iter().enumerate() {
        let field = |part| format!("secrets[{index}].{part}");
        let kind = if ssh_key { SecretKind::SshKey } else { SecretKind::Secret };
        self::id(&field("id"), &id)?;
        let Some(place) = wanted.iter().position(|one| *one == (kind, id.as_str())) else {
            let problem = if parts.iter().any(|part| (part.kind, &part.id) == (kind, &id)) {
                format!("{id} stands twice")
            } else {
                format!("{id} is not among what {} names", list_of(kind))
            };
            return Err(InvalidField::new(field("id"), problem));
        };
        wanted.remove(place);
        check(&field("value"), kind, &value)?;
        total += value.len();
        parts.push(Secret::new(kind, id, value));
    }
    if !wanted.is_empty() {
        let missing: Vec<_> = wanted.iter().take(8).map(|(_, id)| format!("`{id}`")).collect();
        let problem = format!("have no value for {}, which the spec names", missing.join(", "));
        return Err(InvalidField::new("secrets", problem));
    }
    if total > MAX_BUILD_PARTS_BYTES {
        let problem = format!(
            "come to {total} bytes, with an inline Dockerfile; at most {MAX_BUILD_PARTS_BYTES} go"
        );
        return Err(InvalidField::new("secrets", problem));
    }
    Ok(parts)
}

fn list_of(kind: SecretKind) -> &'static str {
    match kind {
        SecretKind::Secret => "`spec.build.secrets`",
        SecretKind::SshKey => "`spec.build.ssh`, with a key,",
    }
}

fn check(field: &str, kind: SecretKind, value: &[u8]) -> Result<(), InvalidField> {
    if value.len() > MOST_VALUE_BYTES {
        let problem = format!("has {} bytes, and at most {MOST_VALUE_BYTES} go", value.len());
        return Err(InvalidField::new(field, problem));
    }
    let is_key = || value.starts_with(b"-----BEGIN ") && holds(value, b"PRIVATE KEY-----");
    if kind == SecretKind::SshKey && !is_key() {
        return Err(InvalidField::new(field, "is no private key: expected PEM, or OpenSSH's form"));
    }
    Ok(())
}

fn holds(value: &[u8], words: &[u8]) -> bool {
    value.windows(words.len()).any(|window| window == words)
}
