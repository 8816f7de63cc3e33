//! How much is kept, and for how long.

use std::time::Duration;

#[derive(Clone, Debug)]
pub struct Limits {
    /// What a tenant's own repositories and its uploads may take.
    pub tenant_bytes: u64,
    /// What is brought from registries outside. Over it, what was used longest ago goes.
    pub mirror_bytes: u64,
    /// What no tag reaches is kept so long after it was last put or read: a push sends blobs first,
    /// then manifests, and the tag last.
    pub untagged_age: Duration,
    /// An upload or a part of a download that nobody goes on with.
    pub upload_age: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            tenant_bytes: 100 << 30,
            mirror_bytes: 100 << 30,
            untagged_age: Duration::from_secs(24 * 60 * 60),
            upload_age: Duration::from_secs(24 * 60 * 60),
        }
    }
}
