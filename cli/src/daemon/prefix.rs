//! Ids as people type them: the beginning is enough while only one job has it.

use super::{Daemon, DaemonError};

/// A whole id; shorter ones are looked up.
const ID_LENGTH: usize = 26;
/// How many candidates an error names.
const NAMED: usize = 5;

#[derive(Debug, thiserror::Error)]
pub(crate) enum PrefixError {
    #[error("an id is letters and digits, {0:?} is none; `kiln job ls` shows them")]
    NotAnId(String),
    #[error("no job's id begins with {0:?}; `kiln job ls` shows them")]
    Nobody(String),
    #[error("{count} jobs have ids that begin with {prefix:?}: {}", .named.join(", "))]
    Ambiguous { prefix: String, count: usize, named: Vec<String> },
    #[error(transparent)]
    Daemon(#[from] DaemonError),
}

impl Daemon {
    /// The id that `text` stands for.
    pub(crate) async fn resolve(&self, text: &str) -> Result<String, PrefixError> {
        let prefix = text.to_ascii_lowercase();
        let is_id = |byte: u8| byte.is_ascii_alphanumeric();
        if prefix.is_empty() || prefix.len() > ID_LENGTH || !prefix.bytes().all(is_id) {
            return Err(PrefixError::NotAnId(text.chars().take(64).collect()));
        }
        if prefix.len() == ID_LENGTH {
            return Ok(prefix);
        }
        let mut count = 0;
        let mut named = Vec::new();
        let mut token = String::new();
        loop {
            let page = self.list("", &token).await?;
            for job in page.jobs.into_iter().filter(|job| job.id.starts_with(&prefix)) {
                count += 1;
                if named.len() < NAMED {
                    named.push(job.id);
                }
            }
            if page.next.is_empty() {
                break;
            }
            token = page.next;
        }
        match (count, named.pop()) {
            (1, Some(id)) => Ok(id),
            (_, None) => Err(PrefixError::Nobody(prefix)),
            (_, Some(last)) => {
                named.push(last);
                Err(PrefixError::Ambiguous { prefix, count, named })
            }
        }
    }
}
