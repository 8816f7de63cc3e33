//! Tar archives that somebody else wrote, read as strictly as one can.
//!
//! Whatever two readers could understand differently is refused, and what an archive may ask for has
//! limits. Nothing is written here, and no path is resolved: a member says what it is, and whoever reads
//! it makes of it what it likes.

mod dialect;
mod limits;
mod member;
mod path;
mod reader;
mod time;

pub use self::{
    dialect::Dialect,
    limits::Limits,
    member::{Attributes, Kind, Member},
    path::{InvalidPath, MemberPath, shown},
    reader::{InvalidHeader, InvalidMap, InvalidPax, Map, ReadError, Reader, Segment},
    time::Time,
};
