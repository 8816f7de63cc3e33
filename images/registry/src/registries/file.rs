//! The JSON that an operator writes: strict, and told where it is wrong.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    fmt,
    marker::PhantomData,
    path::{Path, PathBuf},
};

use serde::{
    Deserialize, Deserializer,
    de::{Error as _, MapAccess, Visitor, value::MapAccessDeserializer},
};

use super::{Credential, InsecureFile, Reader, Registries, Registry, Tenants};
use crate::name::Host;

const MAX_BYTES: u64 = 1 << 20;
/// A tenant's name is not checked further than that it can be one.
const MAX_TEXT_BYTES: usize = 256;

#[derive(Debug, thiserror::Error)]
pub enum InvalidRegistries {
    #[error(transparent)]
    File(#[from] InsecureFile),
    /// With line and column.
    #[error("the registries' file is wrong: {0}")]
    Json(String),
    #[error("the registries' file is wrong: {field}: {reason}")]
    Field { field: String, reason: String },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFile {
    #[serde(default)]
    registries: Distinct<Object<RawRegistry>>,
    #[serde(default)]
    credentials: Vec<Object<RawCredential>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRegistry {
    #[serde(default)]
    http: bool,
    #[serde(default)]
    private: bool,
    ca: Option<PathBuf>,
    #[serde(default)]
    token_hosts: Vec<Host>,
    address: Option<Host>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCredential {
    registry: Option<Host>,
    tenants: Vec<String>,
    username: Option<String>,
    password_file: Option<PathBuf>,
    docker_config: Option<PathBuf>,
}

/// Of two entries with one name the second would win unseen.
struct Distinct<T>(BTreeMap<Host, T>);

/// Serde takes an array for a struct too: fields without their names.
struct Object<T>(T);

/// What is there, by a visitor that knows objects alone.
struct Fields<T>(PhantomData<T>);

impl<T> Default for Distinct<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Distinct<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Fields::<Self>(PhantomData))
    }
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for Fields<Distinct<T>> {
    type Value = Distinct<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with a registry's name for each entry")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Distinct<T>, A::Error> {
        let mut entries = BTreeMap::new();
        while let Some(host) = map.next_key::<Host>()? {
            match entries.entry(host.canonical()) {
                Entry::Vacant(vacant) => vacant.insert(map.next_value()?),
                Entry::Occupied(taken) => {
                    return Err(A::Error::custom(format!("{} stands twice", taken.key())));
                }
            };
        }
        Ok(Distinct(entries))
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Fields::<Self>(PhantomData))
    }
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for Fields<Object<T>> {
    type Value = Object<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Object<T>, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(Object)
    }
}

/// With the files that it names, as far as they have to be there from the start.
pub(super) fn read(path: &Path) -> Result<Registries, InvalidRegistries> {
    let found = parse(&Reader::Anybody.read(path, MAX_BYTES)?)?;
    check(&found, path)?;
    Ok(found)
}

/// As whoever calls: the files can be read, and by nobody who should not.
pub(super) fn check(found: &Registries, path: &Path) -> Result<(), InsecureFile> {
    Reader::Anybody.read(path, MAX_BYTES)?;
    for credential in &found.credentials {
        let path = match credential {
            Credential::Static { password_file, .. } => password_file,
            Credential::DockerConfig { path, .. } => path,
        };
        Reader::Owner.read(path, MAX_BYTES)?;
    }
    for registry in found.registries.values() {
        if let Some(ca) = &registry.ca {
            Reader::Anybody.read(ca, MAX_BYTES)?;
        }
    }
    Ok(())
}

pub(super) fn parse(text: &[u8]) -> Result<Registries, InvalidRegistries> {
    let json = |error: serde_json::Error| InvalidRegistries::Json(error.to_string());
    let Object(RawFile { registries, credentials }) = serde_json::from_slice(text).map_err(json)?;
    let registries = registries.0.into_iter().map(|(host, Object(raw))| {
        let resolved = registry(&host, raw)?;
        Ok((host, resolved))
    });
    let credentials = credentials.into_iter().enumerate();
    Ok(Registries {
        registries: registries.collect::<Result<_, InvalidRegistries>>()?,
        credentials: credentials
            .map(|(index, Object(raw))| credential(&format!("credentials[{index}]"), raw))
            .collect::<Result<_, _>>()?,
    })
}

fn registry(host: &Host, raw: RawRegistry) -> Result<Registry, InvalidRegistries> {
    let RawRegistry { http, private, ca, token_hosts, address } = raw;
    let wrong = |field: &str, reason: &str| wrong(format!("registries.{host}.{field}"), reason);
    if let Some(ca) = &ca {
        if http {
            return Err(wrong("ca", "nothing is to be verified where `http` is true"));
        }
        absolute(ca).map_err(|reason| wrong("ca", reason))?;
    }
    if address.as_ref().is_some_and(|address| address.port().is_none()) {
        return Err(wrong("address", "expected HOST:PORT"));
    }
    Ok(Registry { http, private, ca, token_hosts, address })
}

fn credential(at: &str, raw: RawCredential) -> Result<Credential, InvalidRegistries> {
    let RawCredential { registry, tenants, username, password_file, docker_config } = raw;
    let registry = registry.map(Host::canonical);
    let wrong = |field: &str, reason: &str| wrong(format!("{at}.{field}"), reason);
    let tenants = whose(tenants).map_err(|reason| wrong("tenants", reason))?;
    match (username, password_file, docker_config) {
        (None, None, Some(path)) => {
            absolute(&path).map_err(|reason| wrong("docker_config", reason))?;
            Ok(Credential::DockerConfig { registry, tenants, path })
        }
        (Some(username), Some(password_file), None) => {
            let is_name = |text: &str| {
                !text.is_empty()
                    && text.len() <= MAX_TEXT_BYTES
                    && !text.chars().any(|character| character == ':' || character.is_control())
            };
            if !is_name(&username) {
                return Err(wrong("username", "expected a name without `:`"));
            }
            absolute(&password_file).map_err(|reason| wrong("password_file", reason))?;
            let Some(registry) = registry else {
                let reason = "missing: a password belongs to one registry";
                return Err(wrong("registry", reason));
            };
            Ok(Credential::Static { registry, tenants, username, password_file })
        }
        (None, Some(_), None) => Err(wrong("username", "missing beside `password_file`")),
        (Some(_), None, None) => Err(wrong("password_file", "missing beside `username`")),
        (None, None, None) => {
            let reason =
                "names no source: write `docker_config`, or `username` and `password_file`";
            Err(InvalidRegistries::Field { field: at.to_owned(), reason: reason.to_owned() })
        }
        (_, _, Some(_)) => {
            Err(wrong("docker_config", "stands beside a `username` or `password_file`: choose one"))
        }
    }
}

fn whose(tenants: Vec<String>) -> Result<Tenants, &'static str> {
    if tenants.is_empty() {
        return Err("empty: name them, or write [\"*\"] for all");
    }
    if tenants.iter().any(|tenant| tenant == "*") {
        return match tenants.as_slice() {
            [_] => Ok(Tenants::All),
            _ => Err("`*` stands beside names: it is all of them"),
        };
    }
    let is_name = |text: &String| {
        !text.is_empty() && text.len() <= MAX_TEXT_BYTES && !text.chars().any(char::is_control)
    };
    if tenants.iter().all(is_name) { Ok(Tenants::These(tenants)) } else { Err("not a tenant") }
}

/// kilnd's working directory is nobody's concern.
fn absolute(path: &Path) -> Result<(), &'static str> {
    if path.is_absolute() { Ok(()) } else { Err("expected an absolute path") }
}

fn wrong(field: String, reason: &str) -> InvalidRegistries {
    InvalidRegistries::Field { field, reason: reason.to_owned() }
}

#[cfg(test)]
mod tests;
