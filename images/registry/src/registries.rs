//! The operator's file: what registries outside are like, and whose credentials are for which.

mod file;
mod private_file;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use crate::name::Host;

pub use self::{
    file::InvalidRegistries,
    private_file::{InsecureFile, Reader},
};

/// What nobody checks again. The default knows nothing: public registries, asked anonymously.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Registries {
    registries: BTreeMap<Host, Registry>,
    credentials: Vec<Credential>,
}

/// What is not as usual about one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Registry {
    /// Asked without TLS.
    pub http: bool,
    /// May have an address that is not the internet's.
    pub private: bool,
    /// Beside the system's certificate authorities.
    pub ca: Option<PathBuf>,
    /// To which its credentials may go for a token, beside itself.
    pub token_hosts: Vec<Host>,
    /// Dialled in its stead.
    pub address: Option<Host>,
}

/// For one registry, or for those that a docker configuration names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credential {
    Static { registry: Host, tenants: Tenants, username: String, password_file: PathBuf },
    DockerConfig { registry: Option<Host>, tenants: Tenants, path: PathBuf },
}

/// Whose a credential is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tenants {
    All,
    These(Vec<String>),
}

impl Registries {
    pub fn read(path: &Path) -> Result<Self, InvalidRegistries> {
        file::read(path)
    }

    pub fn parse(text: &[u8]) -> Result<Self, InvalidRegistries> {
        file::parse(text)
    }

    /// Once more, for whoever will read the files that it names; its own is found at `path`.
    pub fn check(&self, path: &Path) -> Result<(), InsecureFile> {
        file::check(self, path)
    }

    pub fn registry(&self, host: &Host) -> Option<&Registry> {
        self.registries.get(host)
    }

    /// In the order in which they are tried: those for this registry alone come first.
    pub fn credentials(&self, tenant: &str, host: &Host) -> impl Iterator<Item = &Credential> {
        let fits = move |credential: &&Credential| {
            let named = credential.registry();
            credential.tenants().include(tenant) && named.is_none_or(|named| named == host)
        };
        let own = self.credentials.iter().filter(|one| one.registry().is_some());
        let any = self.credentials.iter().filter(|one| one.registry().is_none());
        own.chain(any).filter(fits)
    }

    /// Some that not everybody has.
    pub fn has_own_credentials(&self, tenant: &str, host: &Host) -> bool {
        self.credentials(tenant, host).any(|one| matches!(one.tenants(), Tenants::These(_)))
    }
}

impl Credential {
    pub fn registry(&self) -> Option<&Host> {
        match self {
            Self::Static { registry, .. } => Some(registry),
            Self::DockerConfig { registry, .. } => registry.as_ref(),
        }
    }

    pub fn tenants(&self) -> &Tenants {
        match self {
            Self::Static { tenants, .. } | Self::DockerConfig { tenants, .. } => tenants,
        }
    }
}

impl Tenants {
    pub fn include(&self, tenant: &str) -> bool {
        match self {
            Self::All => true,
            Self::These(these) => these.iter().any(|one| one == tenant),
        }
    }
}
