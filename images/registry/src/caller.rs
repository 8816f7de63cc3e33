//! In whose name something is asked for.

use std::{collections::BTreeSet, fmt, sync::Arc};

use crate::{
    name::{Host, RepositoryName},
    record::Ledger,
};

/// By the connection it came on, never by what it says.
#[derive(Clone)]
pub struct Caller {
    pub tenant: String,
    /// The guest's; none for a local client.
    pub job: Option<String>,
    pub outside: Outside,
    pub writes: Writes,
    /// What was served to it, and what was refused.
    pub ledger: Arc<dyn Ledger>,
}

/// Which registries may be asked on its behalf.
#[derive(Clone)]
pub enum Outside {
    /// What is stored, and nothing else.
    StoredOnly,
    Asked(Arc<dyn Fn(&Host) -> bool + Send + Sync>),
}

/// What it may push to, of its tenant's own; deleting is for who may write all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Writes {
    All,
    /// These names, below `local/`. What is hidden has to stand here by name as well.
    Only(BTreeSet<RepositoryName>),
}

impl Writes {
    pub fn admits(&self, name: &RepositoryName) -> bool {
        match self {
            Self::All => true,
            Self::Only(names) => names.contains(name),
        }
    }
}

impl Outside {
    pub fn admits(&self, host: &Host) -> bool {
        match self {
            Self::StoredOnly => false,
            Self::Asked(admits) => admits(host),
        }
    }
}

impl fmt::Debug for Outside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::StoredOnly => "StoredOnly",
            Self::Asked(_) => "Asked",
        })
    }
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tenant, job, outside, writes, ledger: _ } = self;
        f.debug_struct("Caller")
            .field("tenant", tenant)
            .field("job", job)
            .field("outside", outside)
            .field("writes", writes)
            .finish_non_exhaustive()
    }
}
