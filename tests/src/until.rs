//! Polling, in place of fixed waits.

use std::time::Duration;

use anyhow::Context as _;
use tokio::time::{Instant, sleep};

use crate::patience::patient;

/// Asks again and again until there is an answer; `Err` when there was none within `limit`.
///
/// The pauses grow to a tenth of a second: what comes soon is seen soon, and a machine that is
/// busy emulating a guest is not kept busy by us.
pub async fn until<T>(
    what: &str,
    limit: Duration,
    mut ask: impl AsyncFnMut() -> anyhow::Result<Option<T>>,
) -> anyhow::Result<T> {
    let limit = patient(limit);
    let end = Instant::now() + limit;
    let mut pause = Duration::from_millis(2);
    loop {
        if let Some(answer) = ask().await.with_context(|| format!("waiting until {what}"))? {
            return Ok(answer);
        }
        if Instant::now() >= end {
            anyhow::bail!("waited {limit:?} in vain until {what}");
        }
        sleep(pause).await;
        pause = (pause * 2).min(Duration::from_millis(100));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_answer_ends_it() {
        let mut asked = 0;
        let answer = until("three", Duration::from_secs(5), async || {
            asked += 1;
            Ok((asked == 3).then_some(asked))
        });
        assert_eq!(answer.await.unwrap(), 3);
    }

    #[tokio::test]
    async fn no_answer_names_what_was_awaited() {
        let never = until("pigs fly", Duration::from_millis(10), async || Ok(None::<()>));
        assert!(never.await.unwrap_err().to_string().contains("pigs fly"));
    }
}
