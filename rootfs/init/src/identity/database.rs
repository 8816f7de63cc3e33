//! The lines of `/etc/passwd` and `/etc/group`.
//!
//! docker reads a number that is none, or missing, as 0, and so makes root of a user with a broken line.
//! Here such a line is no line, and who is named in it is not found.

/// Both files, whole. One that is missing is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Database {
    passwd: String,
    group: String,
}

/// A line of `/etc/passwd`.
#[derive(Debug)]
pub(super) struct Account<'a> {
    pub(super) name: &'a str,
    pub(super) user: u32,
    pub(super) group: u32,
    pub(super) home: &'a str,
}

/// A line of `/etc/group`.
#[derive(Debug)]
pub(super) struct Group<'a> {
    pub(super) name: &'a str,
    pub(super) id: u32,
    members: &'a str,
}

impl Database {
    /// Bytes that are no text can be part of no name that an image names.
    pub fn new(passwd: &[u8], group: &[u8]) -> Self {
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        Self { passwd: text(passwd), group: text(group) }
    }

    pub(super) fn accounts(&self) -> impl Iterator<Item = Account<'_>> {
        lines(&self.passwd).filter_map(Account::parse)
    }

    pub(super) fn groups(&self) -> impl Iterator<Item = Group<'_>> {
        lines(&self.group).filter_map(Group::parse)
    }

    /// Whether `/etc/group` has a line for it.
    pub fn has_group(&self, id: u32) -> bool {
        self.groups().any(|group| group.id == id)
    }
}

impl<'a> Account<'a> {
    /// Only what comes after the numbers may be missing.
    fn parse(line: &'a str) -> Option<Self> {
        let mut fields = line.split(':');
        let name = fields.next().filter(|name| !name.is_empty())?;
        let _password = fields.next();
        let user = id(fields.next())?;
        let group = id(fields.next())?;
        let _description = fields.next();
        Some(Self { name, user, group, home: fields.next().unwrap_or_default() })
    }
}

impl<'a> Group<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let mut fields = line.split(':');
        let name = fields.next().filter(|name| !name.is_empty())?;
        let _password = fields.next();
        Some(Self { name, id: id(fields.next())?, members: fields.next().unwrap_or_default() })
    }

    pub(super) fn members(&self) -> impl Iterator<Item = &'a str> {
        self.members.split(',')
    }
}

fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty())
}

fn id(field: Option<&str>) -> Option<u32> {
    field?.parse().ok()
}
