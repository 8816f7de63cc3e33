//! Who a command runs as, looked up in the guest's `/etc/passwd` and `/etc/group`.
//!
//! The files are parsed here: the C library's look-ups load modules, read configuration and cannot
//! be linked statically. What stands in the files is the guest's and bounded like everything else.

mod database;
mod name;

use std::{
    io,
    path::{Path, PathBuf},
};

use rustix::fs::{Gid, Uid};

use self::database::{Entry, Group};
pub(crate) use self::name::{InvalidUserName, UserName};

/// What the kernel has to know of a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) uid: Uid,
    pub(crate) gid: Gid,
    /// The supplementary groups.
    pub(crate) groups: Vec<Gid>,
    /// `/` for a user without an entry.
    pub(crate) home: String,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum UnknownUser {
    #[error("there is no user {0:?} in the guest's /etc/passwd")]
    User(String),
    #[error("there is no group {0:?} in the guest's /etc/group")]
    Group(String),
    #[error("{} cannot be read", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
}

/// Looks a user up in `etc` (the guest's `/etc`).
///
/// As container engines do: a name before a number; a number needs no entry; with a group named,
/// that one group is all the user has. Root, when nobody is named, needs no looking up at all: the
/// files are the first that a fresh guest would have to read from its disk.
pub(crate) fn look_up(name: &UserName, etc: &Path) -> Result<Identity, UnknownUser> {
    let Some(user) = name.user.as_deref() else { return Ok(root()) };
    let passwd = read(&etc.join("passwd"))?;
    let entry = database::find_user(&passwd, user)
        .or_else(|| database::find_uid(&passwd, name::number(user)?));
    let (uid, gid) = match (&entry, name::number(user)) {
        (Some(entry), _) => (entry.uid, entry.gid),
        (None, Some(uid)) => (uid, 0),
        (None, None) => return Err(UnknownUser::User(user.to_owned())),
    };
    let groups = if name.group.is_none() && entry.is_none() {
        String::new()
    } else {
        read(&etc.join("group"))?
    };
    let (gid, supplementary) = match name.group.as_deref() {
        Some(group) => (named_group(&groups, group)?, Vec::new()),
        None => (gid, supplementary(&groups, entry.as_ref(), gid)),
    };
    Ok(Identity {
        uid: Uid::from_raw(uid),
        gid: Gid::from_raw(gid),
        groups: supplementary.into_iter().map(Gid::from_raw).collect(),
        home: entry.map_or("/", |entry| entry.home()).to_owned(),
    })
}

fn root() -> Identity {
    let gid = Gid::from_raw(0);
    Identity { uid: Uid::from_raw(0), gid, groups: vec![gid], home: "/root".to_owned() }
}

fn named_group(groups: &str, name: &str) -> Result<u32, UnknownUser> {
    let named = database::groups(groups).find(|group| group.name == name);
    named
        .map(|group| group.gid)
        .or_else(|| name::number(name))
        .ok_or_else(|| UnknownUser::Group(name.to_owned()))
}

fn supplementary(groups: &str, entry: Option<&Entry<'_>>, gid: u32) -> Vec<u32> {
    let Some(entry) = entry else { return Vec::new() };
    let member_of = |group: &Group<'_>| group.members().any(|member| member == entry.name);
    let mut found: Vec<u32> =
        database::groups(groups).filter(member_of).map(|group| group.gid).collect();
    // `id` shows the primary group among the supplementary ones, and so does login.
    found.push(gid);
    found.sort_unstable();
    found.dedup();
    found
}

/// A missing file is an empty one: a root file system may do without.
fn read(path: &Path) -> Result<String, UnknownUser> {
    match database::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        Err(source) => Err(UnknownUser::Unreadable { path: path.to_owned(), source }),
        Ok(text) => Ok(text),
    }
}

#[cfg(test)]
mod tests;
