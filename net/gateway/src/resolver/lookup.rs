//! From a name to what may be told of it: once for all who ask at the same time.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use hickory_proto::{
    op::{Edns, Message, Query},
    rr::{Name as WireName, RecordType},
};
use tokio::{sync::OnceCell, time::timeout};

use super::{admission, lock, ruling::Wanted, special};
use crate::{
    answer::{Answer, Asked, Unusable, judge},
    budget::{NameBudget, TooMuch},
    cache::{Cache, Key},
    control::ControlError,
    gateway::Gateway,
};

/// Questions that are asked outside at once. The daemon listens to 64 asks at once: when no resolver
/// answers, there is room for dials and admissions.
const MAX_FLIGHTS: usize = 48;
/// Aliases whose targets have to be asked for, for one question.
const MAX_FOLLOWED: usize = 4;
/// Answers larger than this come over TCP, to the daemon.
const PAYLOAD: u16 = 1232;
/// For a question with all that it leads to; who asked has given up by then.
const LIMIT: Duration = Duration::from_secs(8);

#[derive(Clone, Debug, thiserror::Error)]
pub(super) enum LookupError {
    #[error("{MAX_FLIGHTS} questions are asked already")]
    Busy,
    #[error(transparent)]
    TooMuch(#[from] TooMuch),
    #[error("not answered within {} s", LIMIT.as_secs())]
    Late,
    #[error(transparent)]
    Control(#[from] ControlError),
    #[error(transparent)]
    Unusable(#[from] Unusable),
}

type Flight = Arc<OnceCell<Result<Answer, LookupError>>>;

#[derive(Debug)]
pub(super) struct Lookup {
    gateway: Arc<Gateway>,
    cache: Mutex<Cache>,
    flights: Mutex<HashMap<Key, Flight>>,
    names: Mutex<NameBudget>,
}

impl Lookup {
    pub(super) fn new(gateway: Arc<Gateway>) -> Self {
        Self {
            gateway,
            cache: Mutex::default(),
            flights: Mutex::default(),
            names: Mutex::default(),
        }
    }

    /// An answer's addresses are admitted for as long as it says, and longer.
    pub(super) async fn find(
        &self,
        wanted: Wanted,
        kind: RecordType,
    ) -> Result<Answer, LookupError> {
        let Wanted { name, fixed } = wanted;
        let key = Key { name, kind };
        if let Some(answer) = self.cached(&key)
            && self.may_be_told(&key, &answer)
        {
            return Ok(answer);
        }
        let flight = {
            let mut flights = lock(&self.flights);
            if !flights.contains_key(&key) && flights.len() >= MAX_FLIGHTS {
                return Err(LookupError::Busy);
            }
            Arc::clone(flights.entry(key.clone()).or_default())
        };
        // Whoever comes first flies; if it is dropped on the way, one of those who wait goes on.
        let seat = Seat { lookup: self, key: &key, flight: &flight };
        let found = seat.flight.get_or_init(|| self.fly(&key, fixed)).await.clone();
        drop(seat);
        found
    }

    async fn fly(&self, key: &Key, fixed: Option<usize>) -> Result<Answer, LookupError> {
        timeout(LIMIT, self.fetch(key, fixed)).await.unwrap_or(Err(LookupError::Late))
    }

    async fn fetch(&self, key: &Key, fixed: Option<usize>) -> Result<Answer, LookupError> {
        let answer = match self.cached(key) {
            Some(answer) => answer,
            None => {
                if let Some(fixed) = fixed {
                    lock(&self.names).spend(&key.name, fixed)?;
                }
                self.ask(key).await?
            }
        };
        if let Answer::Addresses { addresses, ttl } = &answer
            && !self.may_be_told(key, &answer)
        {
            admission::admit(&self.gateway, &key.name, addresses, *ttl).await?;
        }
        // Not before: what was not admitted is asked for again.
        lock(&self.cache).keep(key.clone(), answer.clone());
        Ok(answer)
    }

    async fn ask(&self, key: &Key) -> Result<Answer, LookupError> {
        let mut name = wire(key)?;
        let mut limit = None;
        for _ in 0..=MAX_FOLLOWED {
            let mut message = Message::query();
            message.add_query(Query::query(name.clone(), key.kind));
            message.metadata.recursion_desired = true;
            let mut extended = Edns::new();
            extended.set_max_payload(PAYLOAD);
            message.set_edns(extended);
            let bytes = message.to_vec().map_err(|_| Unusable::Unreadable)?;
            let asked = Asked { id: message.metadata.id, name, kind: key.kind };

            let answer = self.gateway.control.resolve(&bytes).await?;
            let answer = judge(&answer, &asked, |address| self.gateway.never(address))?;
            let ttl = answer.ttl().min(limit.unwrap_or(answer.ttl()));
            match answer {
                // Nobody outside decides what this host's resolver is asked for at home.
                Answer::Alias { target, .. } if special::is_ours_alone(&self.gateway, &target) => {
                    return Ok(Answer::Missing { ttl });
                }
                Answer::Alias { target, .. } => name = target.to_lowercase(),
                other => return Ok(other.within(ttl)),
            }
            limit = Some(ttl);
        }
        Err(Unusable::Aliases.into())
    }

    #[cfg(test)]
    pub(super) fn under_way(&self) -> usize {
        lock(&self.flights).len()
    }

    fn cached(&self, key: &Key) -> Option<Answer> {
        lock(&self.cache).find(key)
    }

    fn may_be_told(&self, key: &Key, answer: &Answer) -> bool {
        match answer {
            Answer::Addresses { addresses, ttl } => {
                admission::holds(&self.gateway, &key.name, addresses, *ttl)
            }
            _ => true,
        }
    }
}

/// Of one who waits for a flight; the last one takes it off the board.
struct Seat<'a> {
    lookup: &'a Lookup,
    key: &'a Key,
    flight: &'a Flight,
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        let mut flights = lock(&self.lookup.flights);
        let is_ours = flights.get(self.key).is_some_and(|flight| Arc::ptr_eq(flight, self.flight));
        // The board's own, and ours: nobody else waits. Once it has landed nobody should board.
        if is_ours && (Arc::strong_count(self.flight) == 2 || self.flight.initialized()) {
            flights.remove(self.key);
        }
    }
}

fn wire(key: &Key) -> Result<WireName, Unusable> {
    let mut name = WireName::from_ascii(key.name.as_str()).map_err(|_| Unusable::Unreadable)?;
    name.set_fqdn(true);
    Ok(name)
}
