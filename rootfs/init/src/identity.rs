//! Who a command runs as, by docker's rules.

mod database;

pub use self::database::Database;
use self::database::{Account, Group};

/// docker takes no larger one.
const LARGEST: u32 = i32::MAX as u32;
/// Where a user lives who has no entry.
const NO_HOME: &str = "/";

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    pub user: u32,
    pub group: u32,
    /// The supplementary ones; docker puts the primary one first.
    pub groups: Vec<u32>,
    pub home: String,
    /// Of the entry that it was found by.
    pub name: Option<String>,
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidUser {
    #[error("there is no user {0:?} in /etc/passwd")]
    User(String),
    #[error("there is no group {0:?} in /etc/group")]
    Group(String),
    #[error("{0} is no id: they go from 0 to {LARGEST}")]
    Range(String),
}

impl Identity {
    /// `user`, `user:group`, either by name or by number, or nothing, which is user 0.
    ///
    /// What is a number is never a name. A number needs no entry; with one, its group comes from
    /// there. Supplementary groups are for those who name no group. The home is that of the first
    /// entry with the user's number.
    pub fn find(said: &str, database: &Database) -> Result<Self, InvalidUser> {
        // What comes after a second colon is nothing to docker.
        let mut parts = said.split(':');
        let (user, group) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let account = account(user, database)?;
        let (id, primary) = match (&account, user) {
            (Some(account), _) => (account.user, account.group),
            (None, "") => (0, 0),
            (None, number) => match self::number(number)? {
                Some(id) => (id, 0),
                None => return Err(InvalidUser::User(user.to_owned())),
            },
        };
        let (primary, others) = match group {
            "" => (primary, account.as_ref().map(|account| memberships(account, database))),
            named => (named_group(named, database)?, None),
        };
        let home = database.accounts().find(|account| account.user == id);
        Ok(Self {
            user: id,
            group: primary,
            groups: std::iter::once(primary).chain(others.unwrap_or_default()).collect(),
            home: home.map_or(NO_HOME, |account| account.home).to_owned(),
            name: account.map(|account| account.name.to_owned()),
        })
    }
}

/// The entry that is meant.
fn account<'a>(user: &str, database: &'a Database) -> Result<Option<Account<'a>>, InvalidUser> {
    let id = if user.is_empty() { Some(0) } else { number(user)? };
    Ok(database.accounts().find(|account| match id {
        Some(id) => account.user == id,
        None => account.name == user,
    }))
}

fn named_group(group: &str, database: &Database) -> Result<u32, InvalidUser> {
    if let Some(id) = number(group)? {
        return Ok(id);
    }
    let named = database.groups().find(|known| known.name == group);
    named.map(|known| known.id).ok_or_else(|| InvalidUser::Group(group.to_owned()))
}

fn memberships(account: &Account<'_>, database: &Database) -> Vec<u32> {
    let member = |group: &Group<'_>| group.members().any(|member| member == account.name);
    database.groups().filter(member).map(|group| group.id).collect()
}

/// `None` is a name.
fn number(text: &str) -> Result<Option<u32>, InvalidUser> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(None);
    }
    let id: Option<i64> = text.parse().ok();
    let id = id.and_then(|id| u32::try_from(id).ok()).filter(|id| *id <= LARGEST);
    id.map(Some).ok_or_else(|| InvalidUser::Range(text.to_owned()))
}

#[cfg(test)]
mod tests;
