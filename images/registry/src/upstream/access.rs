//! What a registry wants to see with a request, kept for as long as it is good: for one tenant, one
//! registry and one scope each.

mod token;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use hyper::header::{self, HeaderValue};
use tokio::{sync::Mutex as Asking, time::Instant};

use super::{
    challenge::{self, Challenge},
    credentials::{self, Login},
    exchange::Answer,
    failure::Failure,
    operation::Operation,
};
use crate::name::{Host, RepositoryName};

const MAX_KEPT: usize = 4096;
/// Headers of them, each with some.
const MAX_CHALLENGES: usize = 8;
/// A password that was changed is read again after this, without being asked for.
const PASSWORD_AGE: Duration = Duration::from_secs(60);

/// What is wanted of a repository.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Scope {
    pub push: bool,
    /// Mounted from.
    pub other: Option<RepositoryName>,
}

/// How to ask.
#[derive(Clone)]
pub(super) struct Access {
    pub authorization: Option<HeaderValue>,
    /// The tenant's own were used.
    pub credentials: bool,
    /// A token server that did not get them.
    pub withheld: Option<String>,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    tenant: String,
    host: Host,
    repository: RepositoryName,
    scope: Scope,
}

/// Of each key one asker at a time is about to renew it; the others get what it got.
#[derive(Default)]
pub(super) struct Accesses(Mutex<HashMap<Key, Arc<Asking<Option<Kept>>>>>);

struct Kept {
    access: Access,
    until: Instant,
}

impl Access {
    pub(super) fn none() -> Self {
        Self { authorization: None, credentials: false, withheld: None }
    }

    /// It did not do.
    pub(super) fn refused(&self) -> Failure {
        let Self { credentials, withheld, .. } = self;
        Failure::Unauthorized { credentials: *credentials, withheld: withheld.clone() }
    }
}

impl Accesses {
    /// What did last time, if it is still good.
    pub(super) async fn last(&self, operation: &Operation<'_>) -> Access {
        let kept = self.of(operation);
        let kept = kept.lock().await;
        match kept.as_ref() {
            Some(kept) if kept.until > Instant::now() => kept.access.clone(),
            _ => Access::none(),
        }
    }

    /// What the registry wants, after it refused `tried`. None: nothing that we could do.
    pub(super) async fn renewed(
        &self,
        operation: &Operation<'_>,
        challenges: &[Challenge],
        tried: &Access,
    ) -> Result<Option<Access>, Failure> {
        let kept = self.of(operation);
        let mut kept = kept.lock().await;
        // Somebody else was faster.
        if let Some(Kept { access, until }) = kept.as_ref()
            && *until > Instant::now()
            && access.authorization != tried.authorization
        {
            return Ok(Some(access.clone()));
        }
        *kept = None;
        let Some((access, age)) = answer(operation, challenges).await? else { return Ok(None) };
        *kept = Some(Kept { access: access.clone(), until: Instant::now() + age });
        Ok(Some(access))
    }

    fn of(&self, operation: &Operation<'_>) -> Arc<Asking<Option<Kept>>> {
        let key = Key {
            tenant: operation.session.tenant.clone(),
            host: operation.session.host.clone(),
            repository: operation.repository.clone(),
            scope: operation.scope.clone(),
        };
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MAX_KEPT && !all.contains_key(&key) {
            let now = Instant::now();
            let is_good = |kept: &Arc<Asking<Option<Kept>>>| match kept.try_lock() {
                Ok(kept) => kept.as_ref().is_some_and(|kept| kept.until > now),
                Err(_) => true,
            };
            all.retain(|_, kept| is_good(kept));
            // All of them good: each is only a question away.
            if all.len() >= MAX_KEPT {
                all.clear();
            }
        }
        all.entry(key).or_default().clone()
    }
}

/// What a registry says that it wants to see.
pub(super) fn challenges(refusal: &Answer) -> Vec<Challenge> {
    let headers = refusal.headers.get_all(header::WWW_AUTHENTICATE).iter().take(MAX_CHALLENGES);
    headers.flat_map(|value| challenge::parse(value.as_bytes())).collect()
}

async fn answer(
    operation: &Operation<'_>,
    challenges: &[Challenge],
) -> Result<Option<(Access, Duration)>, Failure> {
    let inner = operation.inner;
    let login = credentials::login(
        &inner.registries,
        &operation.session.tenant,
        &operation.session.host,
        inner.limits.helper,
    );
    let login = login.await.map_err(|error| {
        let (host, reason) = (&operation.session.host, error.to_string());
        tracing::warn!(%host, tenant = operation.session.tenant, reason, "credentials are no use");
        Failure::Credential { reason }
    })?;
    let bearer = challenges.iter().find(|challenge| matches!(challenge, Challenge::Bearer { .. }));
    if let Some(Challenge::Bearer { realm, service, scope }) = bearer {
        let wanted = token::Wanted { realm, service: service.as_deref(), scope: scope.as_deref() };
        return token::fetch(operation, &wanted, login).await.map(Some);
    }
    let Some(Challenge::Basic) = challenges.first() else { return Ok(None) };
    let Some(Login::Password { username, password }) = login else { return Ok(None) };
    let authorization = password.basic(&username);
    Ok(Some((Access { authorization, credentials: true, withheld: None }, PASSWORD_AGE)))
}
