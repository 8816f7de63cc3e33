//! How much longer everything may take where a machine is emulated that emulates nothing itself: in
//! the outer host of the nested stories.

use std::{env, sync::LazyLock, time::Duration};

/// Set for the runner in such a host: by what each limit is multiplied.
pub(crate) const VARIABLE: &str = "KILN_PATIENCE";

static FACTOR: LazyLock<u32> = LazyLock::new(|| {
    let asked = env::var(VARIABLE).ok().and_then(|text| text.parse().ok());
    asked.unwrap_or(1).clamp(1, 100)
});

/// A limit, as it is meant for a machine that people use.
pub(crate) fn patient(limit: Duration) -> Duration {
    limit * *FACTOR
}
