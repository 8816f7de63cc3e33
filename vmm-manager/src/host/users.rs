//! The users of VMs: one each, nobody else's, and without a name.

use kiln_jail::JailUser;
use rustix::process::{getegid, geteuid};

use super::helper::helper;

/// As many as the host's pool has numbers.
const USERS: u32 = 1 << 16;
/// Below it are the users of people and services.
const LEAST: u32 = 1 << 16;

/// Two ranges of user ids: one for each number of the pool, and then one for each's gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VmUsers {
    base: u32,
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum UserError {
    #[error(
        "the {} user ids from {base} on are not all between {LEAST} and {most}",
        2 * USERS,
        most = u32::MAX - 2
    )]
    Range { base: u32 },
}

impl VmUsers {
    pub fn from_base(base: u32) -> Result<Self, UserError> {
        // The last two ids mean "nobody in particular" to the kernel.
        let fits = base.checked_add(2 * USERS).is_some_and(|end| end < u32::MAX - 1);
        if base >= LEAST && fits { Ok(Self { base }) } else { Err(UserError::Range { base }) }
    }

    /// Of the VM with this number; kilnd's own group may speak with it.
    pub fn of(self, number: u32) -> JailUser {
        JailUser { id: self.base + number % USERS, keeper: getegid().as_raw() }
    }

    /// Of the gateway of the VM with this number.
    pub fn of_gateway(self, number: u32) -> JailUser {
        JailUser { id: self.base + USERS + number % USERS, keeper: getegid().as_raw() }
    }

    /// Of a VM that runs no tenant's job: the one whose number is taken last.
    pub fn of_probe(self) -> JailUser {
        self.of(USERS - 1)
    }

    /// Whether it is one of them.
    pub fn contains(self, uid: u32) -> bool {
        uid.checked_sub(self.base).is_some_and(|number| number < 2 * USERS)
    }
}

/// Whether this process may give VMs users of their own: root may, and who has a helper that is.
pub fn gives_users() -> bool {
    geteuid().is_root() || helper().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_keeps_clear_of_people_and_of_the_end() {
        let check = |base, fits| assert_eq!(VmUsers::from_base(base).is_ok(), fits, "{base}");
        for (base, fits) in [(0, false), (1000, false), (65_535, false), (65_536, true)] {
            check(base, fits);
        }
        check(1_900_000_000, true);
        check(u32::MAX - 2 * USERS - 2, true);
        check(u32::MAX - 2 * USERS - 1, false);
        check(u32::MAX, false);
    }

    #[test]
    fn each_number_has_its_own() {
        let users = VmUsers::from_base(1_900_000_000).unwrap();
        assert_eq!(users.of(0).id, 1_900_000_000);
        assert_eq!(users.of(65_535).id, 1_900_065_535);
        assert_eq!(users.of_gateway(0).id, 1_900_065_536);
        assert!(users.contains(users.of_gateway(65_535).id) && !users.contains(1_900_131_072));
    }
}
