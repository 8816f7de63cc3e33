//! A request and its answer.

use hyper::{HeaderMap, Method, Request, Uri, body::Incoming, header, http::uri::Authority};

use super::{
    answer::{self, Answer},
    blobs,
    intake::Sent,
    listings, loopback, manifests,
    memory::Room,
    place::{OWN_NAME, Place},
    query::Query,
    receipts::{Receipt, Receipts},
    refusals,
    route::{self, Resource, Route},
    uploads,
};
use crate::{
    build::{Hidden, hidden},
    caller::{Caller, Writes},
    digest::Digest,
    problem::{Code, Problem},
    record::{Kind, Material, Origin},
    registry::{Registry, Via},
    repository::{Repository, Space},
};

/// What of a request all of its answers are made of.
pub(crate) struct Exchange<'a> {
    pub(crate) registry: &'a Registry,
    pub(crate) caller: &'a Caller,
    pub(crate) receipts: &'a Receipts,
    pub(crate) method: Method,
    pub(crate) headers: HeaderMap,
    pub(crate) query: Query,
    /// The registry that was named beside the name.
    pub(crate) beside: Option<String>,
}

pub(crate) async fn answer(
    registry: &Registry,
    caller: &Caller,
    via: Via,
    receipts: &Receipts,
    request: Request<Incoming>,
) -> Answer {
    let (head, body) = request.into_parts();
    let query = Query::parse(head.uri.query());
    let (method, headers) = (head.method, head.headers);
    let authority = head.uri.authority().map(Authority::as_str);
    let authority = authority.filter(|authority| !is_own(authority));
    let beside = route::registry(&query, authority).map(str::to_owned);
    let exchange = Exchange { registry, caller, receipts, method, headers, query, beside };
    let sent = Sent::new(body);
    let answered = match exchange.admit(via, &head.uri) {
        Ok(()) => exchange.answer(via, &head.uri, &sent).await,
        Err(problem) => Err(problem),
    };
    let mut answer = answered.unwrap_or_else(|problem| {
        refusals::record(&exchange, head.uri.path(), &problem);
        answer::problem(&problem)
    });
    // A client that waits to be told so has sent nothing yet, and would.
    let waits = exchange.headers.contains_key(header::EXPECT);
    if !sent.is_empty() && (waits || !sent.read_rest().await) {
        answer::set(&mut answer, header::CONNECTION, "close");
    }
    answer
}

impl Exchange<'_> {
    fn admit(&self, via: Via, uri: &Uri) -> Result<(), Problem> {
        match via {
            Via::Guest => Ok(()),
            Via::Loopback => loopback::check(&self.headers, uri.authority().is_some()),
        }
    }

    async fn answer(&self, via: Via, uri: &Uri, sent: &Sent) -> Result<Answer, Problem> {
        let (name, resource) = match route::route(uri.path()) {
            Some(Route::Of { name, resource }) => (name, resource),
            Some(Route::Ping) => return self.ping(),
            Some(Route::Catalog) => return listings::catalog(self, via).await,
            None => return Err(nothing()),
        };
        let place = Place::of(&name, self.beside.as_deref())?;
        match &resource {
            Resource::Manifest { reference } => match self.method {
                Method::GET | Method::HEAD => manifests::read(self, &place, reference).await,
                Method::PUT => manifests::put(self, &self.own(&place)?, reference, sent).await,
                Method::DELETE => manifests::delete(self, &self.erased(&place)?, reference).await,
                _ => Err(self.method_not_allowed()),
            },
            Resource::Blob { digest } => match self.method {
                Method::GET | Method::HEAD => blobs::read(self, &place, digest).await,
                Method::DELETE => blobs::delete(self, &self.erased(&place)?, digest).await,
                _ => Err(self.method_not_allowed()),
            },
            Resource::Uploads => match self.method {
                Method::POST => uploads::begin(self, &self.own(&place)?, sent).await,
                _ => Err(self.method_not_allowed()),
            },
            Resource::Upload { id } => uploads::go_on(self, &self.own(&place)?, id, sent).await,
            Resource::Tags if self.is_read() => listings::tags(self, &self.own(&place)?).await,
            Resource::Referrers { digest } if self.is_read() => {
                listings::referrers(self, &self.own(&place)?, digest).await
            }
            Resource::Tags | Resource::Referrers { .. } => Err(self.method_not_allowed()),
        }
    }

    fn ping(&self) -> Result<Answer, Problem> {
        if self.is_read() {
            return Ok(answer::json(&serde_json::json!({})));
        }
        Err(self.method_not_allowed())
    }

    /// What this host keeps itself; of other registries, only manifests and blobs are had here.
    fn own<'a>(&self, place: &'a Place) -> Result<Own<'a>, Problem> {
        let host = match place {
            Place::Own(name) if self.is_read() || self.caller.writes.admits(name) => {
                return Ok(Own { place, repository: self.repository(place)? });
            }
            Place::Own(_) => return Err(self.not_named(place)),
            Place::Other { host, .. } => host,
        };
        Err(if self.is_read() {
            let message = format!("what {host} has can be pulled here, but not listed: ask {host}");
            Problem::new(Code::Unsupported, 404, message)
        } else {
            let message = format!(
                "{place} is pulled through this registry, never pushed: push to local/NAME here, \
                 which the host can bring outside"
            );
            Problem::new(Code::Denied, 403, message)
        })
    }

    /// As [`Self::own`], for what takes something away.
    fn erased<'a>(&self, place: &'a Place) -> Result<Own<'a>, Problem> {
        match self.caller.writes {
            Writes::All => self.own(place),
            Writes::Only(_) => {
                let message = "a build may push what it was told to, and delete nothing";
                Err(Problem::new(Code::Denied, 403, message))
            }
        }
    }

    /// Where the store has it. What is hidden is there for the guest of its build, where it was told
    /// to push it, and for nobody else.
    pub(crate) fn repository(&self, place: &Place) -> Result<Repository, Problem> {
        let Caller { tenant, job, writes, .. } = self.caller;
        let hidden = match place {
            Place::Own(name) => hidden(name).map(|hidden| (name, hidden)),
            Place::Other { .. } => None,
        };
        match hidden {
            None => Ok(place.repository(tenant)),
            Some((known, Hidden::Cache { job: of, name }))
                if matches!(writes, Writes::Only(names) if names.contains(known))
                    && job.as_ref() == Some(&of) =>
            {
                Ok(Repository { space: Space::Build { tenant: tenant.clone() }, name })
            }
            Some(_) if self.is_read() => {
                let message = format!("{place} is not here: push to it first");
                Err(Problem::new(Code::NameUnknown, 404, message))
            }
            Some(_) => Err(self.not_named(place)),
        }
    }

    fn not_named(&self, place: &Place) -> Problem {
        let message = match &self.caller.writes {
            Writes::All => format!("{place} is the host's own: push to another name"),
            Writes::Only(names) if names.is_empty() => format!(
                "a build pushes nothing but its caches, and this one has none: name {place} as a \
                 cache to export, or as a name of its image, and the host pushes it"
            ),
            Writes::Only(_) => format!(
                "a build's guest pushes its caches under the names that the host gave it, and \
                 nothing to {place}: images and caches get their names from the host when all of \
                 them are there"
            ),
        };
        Problem::new(Code::Denied, 403, message)
    }

    pub(crate) fn is_head(&self) -> bool {
        self.method == Method::HEAD
    }

    pub(crate) fn is_read(&self) -> bool {
        matches!(self.method, Method::GET | Method::HEAD)
    }

    pub(crate) fn header(&self, name: &header::HeaderName) -> Option<&str> {
        answer::only(&self.headers, name)
    }

    pub(crate) fn method_not_allowed(&self) -> Problem {
        let method = crate::problem::escaped(self.method.as_str(), 32);
        Problem::new(Code::Unsupported, 405, format!("{method} means nothing here"))
    }

    /// In memory, for what it receives or answers.
    pub(crate) async fn room(&self, bytes: usize) -> Result<Room, Problem> {
        self.registry.memory.take(self.caller, bytes).await
    }

    pub(crate) fn receipt(&self, place: &Place, given: Given<'_>) -> Receipt {
        let Given { kind, tag, digest, media_type, bytes, origin } = given;
        self.receipts.receipt(Material {
            kind,
            registry: place.host().cloned(),
            repository: place.name(),
            tag,
            digest,
            media_type: media_type.to_owned(),
            bytes,
            origin,
            at: std::time::SystemTime::now(),
        })
    }
}

/// A repository that the caller's tenant has here.
pub(crate) struct Own<'a> {
    pub(crate) place: &'a Place,
    pub(crate) repository: Repository,
}

/// What an answer gives.
pub(crate) struct Given<'a> {
    pub(crate) kind: Kind,
    pub(crate) tag: Option<String>,
    pub(crate) digest: Digest,
    pub(crate) media_type: &'a str,
    pub(crate) bytes: u64,
    pub(crate) origin: Origin,
}

/// This registry, named as a proxy's client names what it asks.
fn is_own(authority: &str) -> bool {
    loopback::is_loopback(authority)
        || authority.split(':').next().is_some_and(|name| name.eq_ignore_ascii_case(OWN_NAME))
}

fn nothing() -> Problem {
    Problem::new(Code::Unsupported, 404, "nothing is here: the distribution API is below /v2/")
}
