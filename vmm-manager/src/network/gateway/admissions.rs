//! What a gateway wants to be let through, asked of the kernel for many names at once: while one
//! change is under way, the next ones are gathered.

use std::sync::Arc;

use async_trait::async_trait;
use kiln_net::plan::Admission;
use tokio::sync::{mpsc, oneshot};

use crate::{
    fault::{Point, at},
    host::network::NetworkError,
};

/// Of one question; a name with more addresses is told in several.
const MOST_AT_ONCE: usize = 64;
/// Of one change of the kernel's sets.
const MOST_TOGETHER: usize = 512;
/// Questions that wait.
const WAITING: usize = 64;

/// Lets through what the machine's policy may let through.
#[async_trait]
pub(crate) trait Admit: std::fmt::Debug + Send + Sync {
    /// When it returns, the kernel has them.
    async fn admit(&self, admissions: Vec<Admission>) -> Result<(), NetworkError>;
}

#[derive(Debug)]
struct Wanted {
    admissions: Vec<Admission>,
    answer: oneshot::Sender<Result<(), String>>,
}

/// Where they are asked for.
#[derive(Clone, Debug)]
pub(super) struct Admissions(mpsc::Sender<Wanted>);

/// Where they are made.
#[derive(Debug)]
pub(super) struct Admitting {
    wanted: mpsc::Receiver<Wanted>,
    admit: Arc<dyn Admit>,
}

impl Admissions {
    pub(super) fn new(admit: Arc<dyn Admit>) -> (Self, Admitting) {
        let (sender, wanted) = mpsc::channel(WAITING);
        (Self(sender), Admitting { wanted, admit })
    }

    /// # Cancel safety
    /// What was asked for may be let through though nobody waits for it.
    pub(super) async fn admit(&self, admissions: Vec<Admission>) -> Result<(), String> {
        if admissions.len() > MOST_AT_ONCE {
            return Err(format!("more than {MOST_AT_ONCE} at once"));
        }
        if admissions.is_empty() {
            return Ok(());
        }
        let gone = || "nobody admits any more".to_owned();
        let (answer, admitted) = oneshot::channel();
        self.0.send(Wanted { admissions, answer }).await.map_err(|_| gone())?;
        admitted.await.map_err(|_| gone())?
    }
}

impl Admitting {
    /// Until nobody can ask any more.
    pub(super) async fn run(mut self) {
        let mut together = Vec::new();
        while self.wanted.recv_many(&mut together, MOST_TOGETHER / MOST_AT_ONCE).await > 0 {
            let all: Vec<_> = together.iter().flat_map(|one| one.admissions.clone()).collect();
            let is_one = together.len() == 1;
            match self.admit.admit(all).await {
                Ok(()) => {
                    at(Point::Admitted);
                    for Wanted { answer, .. } in together.drain(..) {
                        // Who asked may be gone.
                        let _ = answer.send(Ok(()));
                    }
                }
                Err(error) if is_one => {
                    for Wanted { answer, .. } in together.drain(..) {
                        let _ = answer.send(Err(error.in_words()));
                    }
                }
                // One that may not be must not keep the others out.
                Err(_) => self.one_by_one(&mut together).await,
            }
        }
    }

    async fn one_by_one(&self, together: &mut Vec<Wanted>) {
        for Wanted { admissions, answer } in together.drain(..) {
            let admitted = self.admit.admit(admissions).await;
            let _ = answer.send(admitted.map_err(|error| error.in_words()));
        }
    }
}
