//! Which address stands for which names, as the resolver has said it to the guest, and until when.
//! What is in here is in the kernel's sets too, where the policy has admissions.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use kiln_net::name::Name;
use tokio::time::Instant;

/// Names, and addresses of one name. What is over it pushes out what ends first.
const MAX_NAMES: usize = 2048;
const MAX_ADDRESSES: usize = 64;

/// By name, since a flow is looked up by the name that it says; by address is a walk over
/// all of them, done once a connection.
#[derive(Debug, Default)]
pub struct Admitted {
    names: Mutex<HashMap<Name, Vec<Standing>>>,
}

#[derive(Clone, Copy, Debug)]
struct Standing {
    address: IpAddr,
    until: Instant,
}

impl Admitted {
    /// `addresses` stand for `name` for `time` from now on, and never for less than they did.
    /// Tells whether one of them is new.
    pub fn admit(&self, name: &Name, addresses: &[IpAddr], time: Duration) -> bool {
        let now = Instant::now();
        let until = now + time;
        let mut names = self.lock();
        if !names.contains_key(name) && names.len() >= MAX_NAMES {
            make_room(&mut names, now);
        }
        let standing = names.entry(name.clone()).or_default();
        standing.retain(|one| one.until > now);
        let mut is_new = false;
        for &address in addresses {
            match standing.iter_mut().find(|one| one.address == address) {
                Some(one) => one.until = one.until.max(until),
                None => {
                    standing.push(Standing { address, until });
                    is_new = true;
                }
            }
        }
        if standing.len() > MAX_ADDRESSES {
            standing.sort_by_key(|one| std::cmp::Reverse(one.until));
            standing.truncate(MAX_ADDRESSES);
        }
        is_new
    }

    /// All that stand for `name`, those that stand longest first.
    pub fn addresses(&self, name: &Name) -> Vec<IpAddr> {
        let now = Instant::now();
        let mut standing: Vec<Standing> = self
            .lock()
            .get(name)
            .map(|standing| standing.iter().filter(|one| one.until > now).copied().collect())
            .unwrap_or_default();
        standing.sort_by_key(|one| std::cmp::Reverse(one.until));
        standing.into_iter().map(|one| one.address).collect()
    }

    /// All names that `address` stands for, in order.
    pub fn names(&self, address: IpAddr) -> Vec<Name> {
        let now = Instant::now();
        let mut names: Vec<Name> = self
            .lock()
            .iter()
            .filter(|(_, standing)| {
                standing.iter().any(|one| one.address == address && one.until > now)
            })
            .map(|(name, _)| name.clone())
            .collect();
        names.sort();
        names
    }

    /// For how long all of `addresses` still stand for `name`.
    pub fn left(&self, name: &Name, addresses: &[IpAddr]) -> Duration {
        let now = Instant::now();
        let names = self.lock();
        let Some(standing) = names.get(name) else { return Duration::ZERO };
        addresses
            .iter()
            .map(|address| {
                standing
                    .iter()
                    .find(|one| one.address == *address)
                    .map_or(Duration::ZERO, |one| one.until.saturating_duration_since(now))
            })
            .min()
            .unwrap_or(Duration::ZERO)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Name, Vec<Standing>>> {
        // Nothing in here panics half-way through a change.
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn make_room(names: &mut HashMap<Name, Vec<Standing>>, now: Instant) {
    names.retain(|_, standing| standing.iter().any(|one| one.until > now));
    while names.len() >= MAX_NAMES {
        let first = names
            .iter()
            .min_by_key(|(_, standing)| standing.iter().map(|one| one.until).max())
            .map(|(name, _)| name.clone());
        let Some(first) = first else { return };
        names.remove(&first);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        text.parse().unwrap()
    }

    fn address(last: u8) -> IpAddr {
        IpAddr::from([198, 51, 100, last])
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_stands_for_all_names_that_were_given_it() {
        let admitted = Admitted::default();
        admitted.admit(&name("one.test"), &[address(1), address(2)], Duration::from_secs(10));
        admitted.admit(&name("two.test"), &[address(1)], Duration::from_secs(20));
        assert_eq!(admitted.names(address(1)), [name("one.test"), name("two.test")]);
        assert_eq!(admitted.names(address(2)), [name("one.test")]);
        tokio::time::advance(Duration::from_secs(15)).await;
        assert_eq!(admitted.names(address(1)), [name("two.test")]);
        assert!(admitted.addresses(&name("one.test")).is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_shorter_answer_takes_nothing_back() {
        let admitted = Admitted::default();
        admitted.admit(&name("one.test"), &[address(1)], Duration::from_secs(100));
        admitted.admit(&name("one.test"), &[address(1)], Duration::from_secs(1));
        assert_eq!(admitted.left(&name("one.test"), &[address(1)]), Duration::from_secs(100));
        assert_eq!(admitted.left(&name("one.test"), &[address(1), address(2)]), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn it_holds_no_more_than_its_bounds() {
        let admitted = Admitted::default();
        for number in 0..MAX_NAMES + 10 {
            let seconds = 100 + number as u64;
            admitted.admit(
                &name(&format!("n{number}.test")),
                &[address(1)],
                Duration::from_secs(seconds),
            );
        }
        assert_eq!(admitted.names(address(1)).len(), MAX_NAMES);
        assert!(admitted.addresses(&name("n0.test")).is_empty());
        for last in 0..=255 {
            admitted.admit(&name("wide.test"), &[address(last)], Duration::from_secs(5));
        }
        assert_eq!(admitted.addresses(&name("wide.test")).len(), MAX_ADDRESSES);
    }
}
