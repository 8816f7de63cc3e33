//! One thing that is wanted of a registry, however many requests it takes.

mod refusal;

use std::time::SystemTime;

use hyper::{
    Method, StatusCode,
    header::{self, HeaderValue},
};
use tokio::time::{Instant, timeout_at};

use self::refusal::refusal;
use super::{
    Inner, Session,
    access::{self, Scope},
    exchange::{Answer, Ask},
    failure::{Failure, UpstreamError},
    pause::Account,
    retry_after,
    route::{Errand, Route},
    site::{Place, Site},
};
use crate::name::RepositoryName;

const MAX_REDIRECTS: usize = 5;

/// In whose name, of what, and how long it may take.
pub(super) struct Operation<'a> {
    pub inner: &'a Inner,
    pub session: &'a Session,
    pub repository: &'a RepositoryName,
    pub scope: Scope,
    pub deadline: Instant,
}

/// An answer, and whether everybody would have got it.
pub(super) struct Granted {
    pub answer: Answer,
    pub anonymous: bool,
}

impl<'a> Operation<'a> {
    pub(super) fn new(
        inner: &'a Inner,
        session: &'a Session,
        repository: &'a RepositoryName,
    ) -> Self {
        let usual = inner.limits.operation;
        let limit = session.patience.map_or(usual, |patience| patience.min(usual));
        let scope = Scope { push: false, other: None };
        Self { inner, session, repository, scope, deadline: Instant::now() + limit }
    }

    /// To write there too, and to read from another one.
    pub(super) fn pushing(self, other: Option<&RepositoryName>) -> Self {
        Self { scope: Scope { push: true, other: other.cloned() }, ..self }
    }

    /// Of something that takes longer than an answer does.
    pub(super) fn anew(&self) -> Self {
        let scope = self.scope.clone();
        Self { scope, ..Self::new(self.inner, self.session, self.repository) }
    }

    pub(super) fn error(&self, failure: Failure) -> UpstreamError {
        let Session { host, .. } = self.session;
        UpstreamError { host: host.clone(), repository: self.repository.clone(), failure }
    }

    /// `/v2/REPOSITORY/…`
    pub(super) fn path(&self, rest: &str) -> String {
        format!("/v2/{}/{rest}", self.repository)
    }

    /// An answer that is no refusal, failure or challenge.
    pub(super) async fn perform(&self, ask: Ask) -> Result<Granted, Failure> {
        self.perform_at(None, ask).await
    }

    /// At a site that the registry named, or its own.
    pub(super) async fn perform_at(
        &self,
        site: Option<&Site>,
        ask: Ask,
    ) -> Result<Granted, Failure> {
        let mut left = self.inner.limits.tries;
        let mut wait = self.inner.limits.back_off;
        let mut ask = Some(ask);
        loop {
            left = left.saturating_sub(1);
            let Some(this) = ask.take() else {
                return Err(Failure::Unreachable { reason: "nothing is left to send".to_owned() });
            };
            ask = this.again();
            let attempt = timeout_at(self.deadline, self.attempt(site, this)).await;
            let failure = match attempt {
                Ok(Ok(granted)) => return Ok(granted),
                Ok(Err(failure)) => failure,
                Err(_) => return Err(self.late()),
            };
            let again = failure.is_passing() && left > 0 && ask.is_some();
            let until = Instant::now() + wait;
            if !again || until >= self.deadline {
                return Err(failure);
            }
            // The wait that it asked for is everybody's: see `pause`.
            if matches!(failure, Failure::RateLimited { .. }) {
                continue;
            }
            tokio::time::sleep_until(until).await;
            wait *= 2;
        }
    }

    /// Once, and as long as it goes on: the exchange knows when it does not.
    pub(super) async fn sent_at(&self, site: &Site, ask: Ask) -> Result<Granted, Failure> {
        self.attempt(Some(site), ask).await
    }

    pub(super) fn is_late(&self) -> bool {
        Instant::now() >= self.deadline
    }

    pub(super) fn late(&self) -> Failure {
        let usual = self.inner.limits.operation;
        let limit = self.session.patience.map_or(usual, |patience| patience.min(usual));
        let reason = format!("it was not done within {} s", limit.as_secs_f32().ceil());
        Failure::Unreachable { reason }
    }

    async fn attempt(&self, site: Option<&Site>, ask: Ask) -> Result<Granted, Failure> {
        let own = Route::to(&self.inner.registries, &self.session.host);
        match site {
            Some(site) if *site != own.site => self.elsewhere(site, ask).await,
            _ => self.authorized(ask).await,
        }
    }

    /// Where the registry sent us: with no credentials, and no further.
    async fn elsewhere(&self, site: &Site, ask: Ask) -> Result<Granted, Failure> {
        let Self { inner, session, .. } = self;
        let errand = Errand::Redirect;
        let route = Route::onwards(&inner.registries, &session.host, site.clone(), errand)?;
        let mut answer = self.polite(&route, ask).await?;
        refusal(&mut answer, None).await?;
        Ok(Granted { answer, anonymous: true })
    }

    /// With what did last time; else with what the registry then wants.
    async fn authorized(&self, ask: Ask) -> Result<Granted, Failure> {
        let accesses = &self.inner.accesses;
        let again = ask.again();
        let mut access = accesses.last(self).await;
        let mut answer = self.followed(ask, access.authorization.clone()).await?;
        if let (StatusCode::UNAUTHORIZED, Some(again)) = (answer.status, again) {
            let challenges = access::challenges(&answer);
            // Whoever waits for a token holds no connection that its server may need.
            answer.discard().await;
            let Some(renewed) = accesses.renewed(self, &challenges, &access).await? else {
                return Err(access.refused());
            };
            access = renewed;
            answer = self.followed(again, access.authorization.clone()).await?;
        }
        refusal(&mut answer, Some(&access)).await?;
        Ok(Granted { answer, anonymous: !access.credentials })
    }

    /// Where redirects of a GET lead.
    async fn followed(
        &self,
        mut ask: Ask,
        authorization: Option<HeaderValue>,
    ) -> Result<Answer, Failure> {
        let Self { inner, session, .. } = self;
        let own = Route::to(&inner.registries, &session.host);
        let mut route = own.clone();
        for _ in 0..=MAX_REDIRECTS {
            let next = ask.again().filter(|ask| ask.method == Method::GET);
            if route.site == own.site
                && let Some(authorization) = &authorization
            {
                ask = ask.header(header::AUTHORIZATION, authorization.clone());
            }
            let answer = self.polite(&route, ask).await?;
            // A refusal there is none of the registry's: what it asks for is nothing to us, and
            // the next try is sent elsewhere, or with a better signature.
            if route.site != own.site && answer.status.is_client_error() {
                let status = answer.status.as_u16();
                let reason = format!("it sends us to {}, which answers {status}", route.site);
                return Err(Failure::Unreachable { reason });
            }
            let Some(next) = next.filter(|_| is_redirect(&answer)) else { return Ok(answer) };
            let place = next_place(&route.site, &answer)?;
            answer.discard().await;
            let Place { site, path } = place;
            route = Route::onwards(&inner.registries, &session.host, site, Errand::Redirect)?;
            ask = Ask { path, ..next };
        }
        let found = format!("more than {MAX_REDIRECTS} redirects");
        Err(Failure::NotARegistry { status: 302, found })
    }

    /// When the host does not want to be left alone.
    pub(super) async fn polite(&self, route: &Route, ask: Ask) -> Result<Answer, Failure> {
        let Inner { registries, pauses, pool, limits, .. } = self.inner;
        let Session { tenant, host, .. } = self.session;
        let has_own = registries.has_own_credentials(tenant, host);
        let account = Account { site: route.site.clone(), tenant: has_own.then(|| tenant.clone()) };
        let pass = pauses.enter(account, self.deadline).await?;
        let answer = pool.exchange(route, ask, limits).await?;
        let wait = answer.headers.get(header::RETRY_AFTER);
        let wait = wait.and_then(|wait| retry_after::parse(wait.as_bytes(), SystemTime::now()));
        match answer.status {
            StatusCode::TOO_MANY_REQUESTS => {
                pass.limited(wait);
                answer.discard().await;
                return Err(Failure::RateLimited { retry_after: wait });
            }
            StatusCode::SERVICE_UNAVAILABLE if wait.is_some() => pass.limited(wait),
            _ => pass.answered(),
        }
        Ok(answer)
    }
}

pub(super) fn is_redirect(answer: &Answer) -> bool {
    matches!(answer.status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

fn next_place(from: &Site, answer: &Answer) -> Result<Place, Failure> {
    let location = answer.header(header::LOCATION);
    let Some(place) = location.and_then(|location| Place::parse(location, from).ok()) else {
        let found = "a redirect that leads nowhere".to_owned();
        return Err(Failure::NotARegistry { status: answer.status.as_u16(), found });
    };
    if from.https && !place.site.https {
        let reason = "a place with TLS sends us to one without";
        return Err(Failure::Guarded { to: place.site.to_string(), reason });
    }
    Ok(place)
}
