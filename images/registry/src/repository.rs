//! Where content has a name.

use serde::{Deserialize, Serialize};

use crate::name::{Host, RepositoryName};

/// A repository of this host: content is reached through one alone, and by who may read it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Repository {
    pub space: Space,
    pub name: RepositoryName,
}

/// Whose names they are.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Space {
    /// `local/NAME`: what a tenant pushed; nobody else's.
    Local { tenant: String },
    /// What a tenant's builds made, before it has a name: see [`crate::build`].
    Build { tenant: String },
    /// What a registry outside has, as far as it was brought here. Each tenant's right to read it is
    /// that registry's to grant.
    Mirror { host: Host },
}
