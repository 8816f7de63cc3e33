//! The registry of the host: what it keeps, whom it asks, and where clients find it.

use std::{net::SocketAddr, path::PathBuf, str::FromStr, time::Duration};

use clap::Args;
use kiln_registry::{
    name::Host,
    registries::{InvalidRegistries, Registries},
};

/// The raw input.
#[derive(Clone, Debug, Args)]
pub struct RegistryFlags {
    /// Has no registry: guests and local clients neither pull through this host nor push to it.
    #[arg(long, env = "KILN_NO_REGISTRY")]
    pub no_registry: bool,

    /// What registries outside are like and whose credentials are for which, as JSON. Nobody but
    /// root and kilnd's user may be able to write it.
    #[arg(long, env = "KILN_REGISTRIES", value_name = "FILE")]
    pub registries: Option<PathBuf>,

    /// A registry that every job may pull from, beside those that its egress policy names; not where
    /// that policy is `none`. Once for each.
    #[arg(
        long = "mirror",
        env = "KILN_MIRRORS",
        value_name = "HOST[:PORT]",
        value_delimiter = ',',
        value_parser = host
    )]
    pub mirrors: Vec<Host>,

    /// Asks no registry outside: what is stored is served, and nothing else.
    #[arg(long, env = "KILN_REGISTRY_OFFLINE")]
    pub registry_offline: bool,

    /// Where clients on this host find the registry: a loopback address, or `none`. Port 0 means one
    /// that the home keeps [default: 127.0.0.1:0].
    #[arg(long, env = "KILN_REGISTRY_LISTEN", value_name = "ADDRESS:PORT|none")]
    pub registry_listen: Option<ListenFlag>,

    /// How much one tenant's own repositories may come to, in MiB [default: a tenth of the disk
    /// of the home].
    #[arg(long, env = "KILN_REGISTRY_QUOTA", value_name = "MIB")]
    pub registry_quota: Option<u64>,

    /// How much may be kept of registries outside, in MiB; what was used longest ago goes first
    /// [default: a tenth of the disk of the home].
    #[arg(long, env = "KILN_REGISTRY_SIZE", value_name = "MIB")]
    pub registry_size: Option<u64>,

    /// For how long a tenant that could read a private repository may have what is stored of it
    /// while its registry does not answer, in seconds.
    #[arg(
        long,
        env = "KILN_REGISTRY_RIGHTS_AGE",
        value_name = "SECONDS",
        default_value_t = 24 * 3600
    )]
    pub registry_rights_age: u64,
}

/// `127.0.0.1:5000`, `[::1]:0`, `none`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListenFlag {
    None,
    At(SocketAddr),
}

/// What nobody checks again.
#[derive(Clone, Debug)]
pub struct RegistryConfig {
    pub registries: Registries,
    /// Where they stand.
    pub registries_file: Option<PathBuf>,
    pub mirrors: Vec<Host>,
    pub offline: bool,
    /// `None`: local clients have none. Port 0: one that the home keeps.
    pub listen: Option<SocketAddr>,
    /// `None`: measured when the home is open.
    pub quota_bytes: Option<u64>,
    pub mirrored_bytes: Option<u64>,
    pub rights_age: Duration,
}

#[derive(Debug, thiserror::Error)]
pub enum InvalidRegistry {
    #[error("--registries {} cannot be used", path.display())]
    Registries { path: PathBuf, source: InvalidRegistries },
    #[error("--{flag} must be at least {least} MiB")]
    TooSmall { flag: &'static str, least: u64 },
}

const LEAST_MEBIBYTES: u64 = 1;

impl RegistryConfig {
    /// `None` where the host is to have none.
    pub fn resolve(flags: RegistryFlags) -> Result<Option<Self>, InvalidRegistry> {
        let RegistryFlags {
            no_registry,
            registries,
            mirrors,
            registry_offline,
            registry_listen,
            registry_quota,
            registry_size,
            registry_rights_age,
        } = flags;
        if no_registry {
            return Ok(None);
        }
        let registries_file = registries;
        let registries = match registries_file.clone() {
            Some(path) => Registries::read(&path)
                .map_err(|source| InvalidRegistry::Registries { path, source })?,
            None => Registries::default(),
        };
        let listen = match registry_listen {
            None => Some(SocketAddr::from(([127, 0, 0, 1], 0))),
            Some(ListenFlag::None) => None,
            Some(ListenFlag::At(address)) => Some(address),
        };
        Ok(Some(Self {
            registries,
            registries_file,
            mirrors,
            offline: registry_offline,
            listen,
            quota_bytes: bytes("registry-quota", registry_quota)?,
            mirrored_bytes: bytes("registry-size", registry_size)?,
            rights_age: Duration::from_secs(registry_rights_age),
        }))
    }
}

fn bytes(flag: &'static str, mebibytes: Option<u64>) -> Result<Option<u64>, InvalidRegistry> {
    match mebibytes {
        Some(asked) if asked < LEAST_MEBIBYTES => {
            Err(InvalidRegistry::TooSmall { flag, least: LEAST_MEBIBYTES })
        }
        asked => Ok(asked.map(|mebibytes| mebibytes.saturating_mul(1 << 20))),
    }
}

/// As references name it, in lower case.
fn host(text: &str) -> Result<Host, String> {
    let host = text.to_ascii_lowercase().parse::<Host>().map_err(|error| error.to_string())?;
    Ok(host.canonical())
}

impl FromStr for ListenFlag {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "none" {
            return Ok(Self::None);
        }
        let address: SocketAddr =
            text.parse().map_err(|_| "is neither `none` nor ADDRESS:PORT, like 127.0.0.1:5000")?;
        if !address.ip().is_loopback() {
            return Err(format!(
                "{} is no loopback address, and whoever reaches the registry may use it: name one, \
                 like 127.0.0.1:5000 or [::1]:5000",
                address.ip()
            ));
        }
        Ok(Self::At(address))
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        flags: RegistryFlags,
    }

    fn resolved(arguments: &[&str]) -> Result<Option<RegistryConfig>, String> {
        let line = Line::try_parse_from([&["kilnd"], arguments].concat());
        let line = line.map_err(|error| error.to_string())?;
        RegistryConfig::resolve(line.flags).map_err(|error| error.to_string())
    }

    #[test]
    fn without_a_word_there_is_one_for_guests_and_local_clients() {
        let config = resolved(&[]).unwrap().unwrap();
        assert_eq!(config.listen, Some("127.0.0.1:0".parse().unwrap()));
        assert_eq!((config.quota_bytes, config.mirrored_bytes), (None, None));
        assert_eq!(config.rights_age, Duration::from_secs(86_400));
        assert!(!config.offline && config.mirrors.is_empty());
        assert!(resolved(&["--no-registry"]).unwrap().is_none());
    }

    #[test]
    fn flags_say_what_they_mean() {
        let config = resolved(&[
            "--mirror",
            "docker.io,Registry.example:5443",
            "--mirror=[2001:db8::1]:5000",
            "--registry-offline",
            "--registry-listen=[::1]:5000",
            "--registry-quota=3",
            "--registry-size=5",
            "--registry-rights-age=60",
        ]);
        let config = config.unwrap().unwrap();
        let mirrors: Vec<_> = config.mirrors.iter().map(Host::as_str).collect();
        assert_eq!(mirrors, ["docker.io", "registry.example:5443", "[2001:db8::1]:5000"]);
        assert_eq!(config.listen, Some("[::1]:5000".parse().unwrap()));
        assert_eq!((config.quota_bytes, config.mirrored_bytes), (Some(3 << 20), Some(5 << 20)));
        assert!(config.offline);
        assert_eq!(resolved(&["--registry-listen=none"]).unwrap().unwrap().listen, None);
    }

    #[test]
    fn what_cannot_be_is_refused_in_words() {
        for (argument, words) in [
            ("--registry-listen=0.0.0.0:5000", "no loopback address"),
            ("--registry-listen=192.0.2.1:5000", "no loopback address"),
            ("--registry-listen=[::]:5000", "no loopback address"),
            ("--registry-listen=5000", "neither `none` nor"),
            ("--registry-listen=localhost:5000", "neither `none` nor"),
            ("--mirror=https://docker.io", "not a registry"),
            ("--registry-quota=0", "at least 1 MiB"),
            ("--registry-size=0", "at least 1 MiB"),
            ("--registries=/nowhere/registries.json", "/nowhere/registries.json"),
        ] {
            let refused = resolved(&[argument]).unwrap_err();
            assert!(refused.contains(words), "{argument}: {refused}");
        }
    }
}
