//! In whose name something is asked for.

use std::{fmt, sync::Arc};

use crate::{name::Host, record::Ledger};

/// By the connection it came on, never by what it says.
#[derive(Clone)]
pub struct Caller {
    pub tenant: String,
    /// The guest's; none for a local client.
    pub job: Option<String>,
    pub outside: Outside,
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
        let Self { tenant, job, outside, ledger: _ } = self;
        f.debug_struct("Caller")
            .field("tenant", tenant)
            .field("job", job)
            .field("outside", outside)
            .finish_non_exhaustive()
    }
}
