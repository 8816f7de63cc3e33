//! What goes before a question to a registry, and what is learned from its answer.

use std::time::SystemTime;

use tokio::time::Instant;

use super::{
    Inner,
    allowance::{Lanes, Who},
    failure::{Asked, Failure, Meaning},
    quiet::Silence,
    right::{Case, Named, Reach, Rights},
    source::Place,
};
use crate::{
    caller::{Caller, Outside},
    name::Host,
    problem::{Code, Problem, escaped},
    record::Refusal,
    store::StoreError,
};

const MAX_RECORDED_BYTES: usize = 512;

impl Inner {
    /// What there is to decide by.
    pub(super) async fn case(
        &self,
        caller: &Caller,
        at: &Place,
        named: Named,
        is_stored: bool,
    ) -> Result<Case, Failure> {
        let rights = self.rights(at).await.map_err(Failure::of_store)?;
        let reach = self.reach(caller, &at.host);
        Ok(Case { reach, named, is_stored, rights, now: SystemTime::now() })
    }

    fn reach(&self, caller: &Caller, host: &Host) -> Reach {
        match &caller.outside {
            Outside::StoredOnly => Reach::Stored,
            Outside::Asked(_) if !caller.outside.admits(host) => Reach::Nothing,
            Outside::Asked(_) if self.config.is_offline => Reach::Offline,
            Outside::Asked(_) => Reach::Registry,
        }
    }

    async fn rights(&self, at: &Place) -> Result<Rights, StoreError> {
        let right = self.store.right(&at.tenant, &at.repository()).await?;
        let is_public = self.store.is_public(&at.repository()).await?;
        Ok(Rights { confirmed_at: right.map(|right| right.at), is_public })
    }

    /// What is stored need not wait to find out once more that its registry is away.
    pub(super) fn is_away(&self, at: &Place) -> bool {
        super::lock(&self.quiet).of(&at.tenant, &at.host, Instant::now()).is_some()
    }

    /// Spends one of the caller's questions, where the registry is to be asked at all.
    pub(super) fn admit(&self, caller: &Caller, asked: &Asked) -> Result<Lanes, Failure> {
        let now = Instant::now();
        let silence = super::lock(&self.quiet).of(&caller.tenant, &asked.host, now);
        if let Some((Silence::Asked { status }, left)) = silence {
            return Err(Failure::Answered { status, retry_after: Some(left) });
        }
        super::lock(&self.allowances)
            .ask(&who(caller), now)
            .map_err(|exhausted| Failure::Here(asked.too_many(exhausted.wait)))
    }

    /// The registry let this tenant read this repository.
    pub(super) async fn granted(&self, at: &Place, is_public: bool) -> Result<(), Failure> {
        super::lock(&self.quiet).is_back(&at.tenant, &at.host);
        let known = self.store.right(&at.tenant, &at.repository()).await;
        if known
            .map_err(Failure::of_store)?
            .is_some_and(|right| right.public == is_public && self.is_new(right.at))
        {
            return Ok(());
        }
        self.store
            .set_right(&at.tenant, &at.repository(), is_public)
            .await
            .map_err(Failure::of_store)
    }

    /// So new that writing it down once more is worth no commit.
    pub(super) fn is_new(&self, at: SystemTime) -> bool {
        at.elapsed().is_ok_and(|age| age < self.config.ages.fresh / 4)
    }

    /// `was_stored`: what was asked for.
    pub(super) async fn failed(
        &self,
        at: &Place,
        was_stored: bool,
        failure: &Failure,
    ) -> Result<(), Failure> {
        self.fall_silent(at, failure);
        if failure.meaning() == Meaning::Refused {
            let (tenant, repository) = (&at.tenant, &at.repository());
            let everyones = failure.ends_publicity(was_stored);
            let forgotten = self.store.forget_right(tenant, repository, everyones).await;
            forgotten.map_err(Failure::of_store)?;
        }
        Ok(())
    }

    fn fall_silent(&self, at: &Place, failure: &Failure) {
        let Place { tenant, host, name: _ } = at;
        let (mut quiet, now) = (super::lock(&self.quiet), Instant::now());
        match failure {
            Failure::Answered { status: 429, retry_after } => {
                quiet.asked(tenant, host, 429, *retry_after, now);
            }
            _ if failure.meaning() == Meaning::Absent => quiet.away(tenant, host, now),
            Failure::Answered { .. } | Failure::Denied { .. } => quiet.is_back(tenant, host),
            _ => {}
        }
    }

    /// Each asker pays for its own question, also where several were one.
    pub(super) fn charge(&self, caller: &Caller, failure: &Failure) {
        if failure.meaning() == Meaning::Refused {
            super::lock(&self.allowances).missed(&who(caller), Instant::now());
        }
    }
}

fn who(caller: &Caller) -> Who {
    Who { tenant: caller.tenant.clone(), job: caller.job.clone() }
}

/// Tells the caller's record.
pub(super) fn refuse(caller: &Caller, asked: &Asked, failure: &Failure) -> Problem {
    let problem = failure.tell(asked);
    let bounded = |text: &str| escaped(text, MAX_RECORDED_BYTES);
    caller.ledger.refused(Refusal {
        registry: Some(asked.host.clone()),
        repository: bounded(asked.name.as_str()),
        target: bounded(&asked.target.to_string()),
        code: problem.code.as_str().to_owned(),
        reason: bounded(&problem.message),
        upstream_status: problem.upstream.as_ref().and_then(|upstream| upstream.status),
        retry_after_seconds: problem
            .upstream
            .as_ref()
            .and_then(|upstream| upstream.retry_after_seconds),
        at: SystemTime::now(),
    });
    problem
}

/// A task of ours that ended without an answer.
pub(super) fn broken() -> Failure {
    let message = "the registry was not asked to the end: ask again";
    Failure::Here(Problem::new(Code::Unavailable, 503, message))
}
