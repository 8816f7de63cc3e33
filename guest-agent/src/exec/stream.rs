//! One stream to a command: from the right to speak with it to the last answer.
//!
//! ```text
//! seat ──▶ started ──▶ output, stdin_taken ──▶ exited
//!   │         │                │
//!   └─────────┴────────────────┴──▶ gone, superseded, violated
//! ```
//!
//! What becomes of the command is the same whatever the stream ends of: with an id it goes on, and
//! without one it is killed.

use kiln_proto::agent::v1::ExecRequest;
use tokio::time::{Duration, Instant, sleep_until};
use tokio_stream::Stream;
use tonic::Status;

use super::{
    answers::{Answers, Gone},
    input,
    run::{Beginning, End, Run, Seat},
};

/// Stdin that was taken is told of when there is so much of it …
const ACK_BYTES: u64 = 32 * 1024;
/// … or after so long: a host needs to know only to send more and to forget.
const ACK_DELAY: Duration = Duration::from_millis(20);

/// Why a stream ends before its command.
enum Left {
    /// The host has closed it.
    Gone,
    Superseded,
    Violated(Status),
}

/// Tells the host everything and hands on what it sends, until either is over.
pub(super) async fn attend(
    run: &Run,
    seat: Seat,
    requests: impl Stream<Item = Result<ExecRequest, Status>>,
    answers: Answers,
) {
    let converse = async {
        let stdin_offset = match run.beginning().await {
            Beginning::Refused(refused) => return Ok(End::Refused(refused)),
            Beginning::Started { pid, stdin_offset, stdin_closed } => {
                let told = answers.started(pid, stdin_offset, stdin_closed).await;
                told.map_err(|Gone| Left::Gone)?;
                stdin_offset
            }
        };
        tokio::select! {
            violation = input::feed(requests, run, seat) => Err(Left::Violated(violation)),
            told = tell(run, seat, &answers, stdin_offset) => told,
        }
    };
    let conversed = tokio::select! {
        biased;
        () = run.lost(seat) => Err(Left::Superseded),
        () = answers.closed() => Err(Left::Gone),
        conversed = converse => conversed,
    };
    if conversed.is_err() && !run.is_named {
        run.abandon();
        // Whoever is told is told of a command that is gone.
        run.ended().await;
    }
    match conversed {
        Ok(End::Exited(exited)) => {
            answers.exited(exited).await;
            run.tell_told();
        }
        Ok(End::Refused(refused)) => answers.refused(refused).await,
        Err(Left::Gone) => {}
        Err(Left::Superseded) => {
            answers.fail(Status::aborted("another stream to this command has begun")).await;
        }
        Err(Left::Violated(status)) => answers.fail(status).await,
    }
}

/// Returns the end when all before it was told.
async fn tell(run: &Run, seat: Seat, answers: &Answers, stdin_offset: u64) -> Result<End, Left> {
    let mut told_up = false;
    let mut acks = Acks { seen: stdin_offset, told: stdin_offset, due: None };
    loop {
        let seen = acks.seen;
        tokio::select! {
            () = run.until(|state| {
                let is_news = state.is_up() && !told_up;
                is_news || state.window.has_more() || state.has_ended() || state.stdin.taken() != seen
            }) => {}
            () = acks.due() => {}
        }
        let news = run.news(seat).ok_or(Left::Superseded)?;
        if let Some(offset) = acks.see(news.stdin_taken) {
            answers.stdin_taken(offset).await.map_err(|Gone| Left::Gone)?;
        }
        if !told_up && let Some(up) = run.up() {
            answers.up(up).await.map_err(|Gone| Left::Gone)?;
            told_up = true;
        }
        match (news.chunk, news.end) {
            (Some(chunk), _) => answers.output(chunk).await.map_err(|Gone| Left::Gone)?,
            (None, Some(end)) => return Ok(end),
            (None, None) => {}
        }
    }
}

/// Tells of stdin in steps.
#[derive(Debug)]
struct Acks {
    seen: u64,
    told: u64,
    /// When what was seen and not told must be told.
    due: Option<Instant>,
}

impl Acks {
    /// # Cancel safety
    /// Safe.
    async fn due(&self) {
        match self.due {
            Some(due) => sleep_until(due).await,
            None => std::future::pending().await,
        }
    }

    /// What is to be told now.
    fn see(&mut self, taken: u64) -> Option<u64> {
        self.seen = taken;
        if taken == self.told {
            return None;
        }
        let now = Instant::now();
        let due = *self.due.get_or_insert(now + ACK_DELAY);
        if taken - self.told < ACK_BYTES && now < due {
            return None;
        }
        self.told = taken;
        self.due = None;
        Some(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn single_bytes_are_told_together_and_large_pieces_at_once() {
        let mut acks = Acks { seen: 5, told: 5, due: None };
        assert_eq!(acks.see(5), None);
        for taken in 6..100 {
            assert_eq!(acks.see(taken), None);
        }
        acks.due().await;
        assert_eq!(acks.see(100), Some(100));
        assert_eq!(acks.see(100 + ACK_BYTES - 1), None);
        assert_eq!(acks.see(100 + ACK_BYTES), Some(100 + ACK_BYTES));
        assert!(acks.due.is_none());
    }
}
