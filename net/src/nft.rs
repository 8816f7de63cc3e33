//! The program `nft`, and the kernel's sets: what alone speaks to nftables. Everything happens in
//! the network namespace of the calling thread.

mod command;
mod elements;
mod listing;

use std::net::IpAddr;

pub use crate::ruleset::Difference;
pub use command::CommandError;
pub use elements::ElementsError;
pub(crate) use listing::{Listing, list};

use crate::{
    plan::Admission,
    ruleset::{Ruleset, table_name},
};

pub const PROGRAM: &str = "nft";

#[derive(Debug, thiserror::Error)]
pub enum NftError {
    /// It would be part of what `nft` reads.
    #[error("{0:?} can't name a table: only letters, digits and _ can")]
    Name(String),
    #[error(transparent)]
    Command(#[from] CommandError),
    #[error("nft lists what can't be read: {0}")]
    Listing(String),
    /// What the kernel has is not what it was given.
    #[error("the kernel has other rules than it was given")]
    Differs(#[source] Difference),
    #[error("the kernel did not take elements for a set")]
    Elements(#[from] ElementsError),
}

/// Replaces the tables of `ruleset` in one transaction, then reads them back.
pub fn apply(ruleset: &Ruleset) -> Result<(), NftError> {
    for table in &ruleset.tables {
        check_name(table.name())?;
    }
    command::load(&ruleset.text())?;
    verify(ruleset)
}

/// That the kernel has what was rendered: every chain, hook, priority, policy, rule and set.
pub fn verify(ruleset: &Ruleset) -> Result<(), NftError> {
    let tables: Vec<_> =
        ruleset.tables.iter().map(|table| (table.family(), table.name())).collect();
    let found = list(&tables)?.canonical();
    ruleset.canonical().compare(&found).map_err(NftError::Differs)
}

/// Lets a machine reach these for their time, which begins anew for what was admitted before. A port
/// of 0 is every port. Returns when the kernel has them all, or has none of them.
pub fn admit(instance: &str, admissions: &[Admission]) -> Result<(), NftError> {
    Ok(elements::admit(&checked_table(instance)?, admissions)?)
}

/// Replaces what a machine's rules know as the host's own addresses.
pub fn host_addresses(instance: &str, addresses: &[IpAddr]) -> Result<(), NftError> {
    Ok(elements::replace(&checked_table(instance)?, "host", addresses)?)
}

/// Takes both tables away; none needs to be there.
pub fn remove(instance: &str) -> Result<(), NftError> {
    let name = checked_table(instance)?;
    let text: String = ["netdev", "inet"]
        .map(|family| format!("table {family} {name}\ndelete table {family} {name}\n"))
        .concat();
    Ok(command::load(&text)?)
}

fn checked_table(instance: &str) -> Result<String, NftError> {
    let name = table_name(instance);
    check_name(&name)?;
    Ok(name)
}

fn check_name(name: &str) -> Result<(), NftError> {
    // The kernel's limit is 256, with the final NUL.
    let fits = (1..=128).contains(&name.len());
    let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if fits && plain { Ok(()) } else { Err(NftError::Name(name.to_owned())) }
}
