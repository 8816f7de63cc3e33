//! The rules of one machine's namespace, and the few of the host's: rendered here, nowhere else.
//!
//! ```text
//! guest ─▶ netdev frames ─▶ pre (mark) ─▶ dstnat ─┬▶ input ─▶ gateway ─▶ output ─▶ outside
//!          MAC, ARP, source, (a route)  (admitted  └▶ forward ─▶ opened ─▶ counted ─▶ leaving
//!          packets and bytes             TCP)          └▶ refuse ─▶ answer (reset, prohibited)
//! ```
//!
//! A refusal is noted in a bounded set and answered at once; what no job asks for (a forged source,
//! a tagged frame) is dropped and counted. What is sent again is the same text, so a whole table is
//! replaced in one transaction however often.

mod canonical;
mod expression;
mod family;
mod frames;
mod host;
mod machine;
mod ranges;
mod statement;
mod table;

pub use canonical::Difference;
pub(crate) use canonical::{Canonical, links};
pub use host::{Guard, host};
pub(crate) use machine::NOTE_SECONDS;
pub use machine::machine;
pub(crate) use ranges::{Ranges, bounds};
pub(crate) use table::Table;

/// What is put into the kernel in one transaction.
#[derive(Clone, Debug, PartialEq)]
pub struct Ruleset {
    pub(crate) tables: Vec<Table>,
}

impl Ruleset {
    /// As `nft -f -` reads it: whatever of these tables is there is replaced.
    pub fn text(&self) -> String {
        self.tables.iter().map(Table::text).collect()
    }

    pub(crate) fn canonical(&self) -> Canonical {
        let mut canonical = Canonical::default();
        for table in &self.tables {
            table.describe(&mut canonical);
        }
        canonical
    }
}

/// The name of every table of ours.
pub fn table_name(instance: &str) -> String {
    format!("kiln_{instance}")
}
