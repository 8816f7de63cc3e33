//! What is said of files on the wire, as `fsutil` says it. Names are bytes here: on the wire the two
//! are alike, and names need not be text.

use bytes::Bytes;
use prost::{Enumeration, Message};

#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct Packet {
    #[prost(enumeration = "Kind", tag = "1")]
    pub(crate) kind: i32,
    #[prost(message, optional, tag = "2")]
    pub(crate) stat: Option<Stat>,
    /// Of a file: which stat it was, counted from 0.
    #[prost(uint32, tag = "3")]
    pub(crate) id: u32,
    #[prost(bytes = "bytes", tag = "4")]
    pub(crate) data: Bytes,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Enumeration)]
#[repr(i32)]
pub(crate) enum Kind {
    /// Without one, that was all.
    Stat = 0,
    Request = 1,
    /// Without any, the file is at its end.
    Data = 2,
    End = 3,
    Error = 4,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct Stat {
    #[prost(bytes = "bytes", tag = "1")]
    pub(crate) path: Bytes,
    /// As Go has modes.
    #[prost(uint32, tag = "2")]
    pub(crate) mode: u32,
    #[prost(uint32, tag = "3")]
    pub(crate) uid: u32,
    #[prost(uint32, tag = "4")]
    pub(crate) gid: u32,
    #[prost(int64, tag = "5")]
    pub(crate) size: i64,
    /// Nanoseconds since 1970.
    #[prost(int64, tag = "6")]
    pub(crate) modified: i64,
    /// Where a symlink leads, or the name of a file's that came before.
    #[prost(bytes = "bytes", tag = "7")]
    pub(crate) link: Bytes,
    #[prost(int64, tag = "8")]
    pub(crate) major: i64,
    #[prost(int64, tag = "9")]
    pub(crate) minor: i64,
    #[prost(message, repeated, tag = "10")]
    pub(crate) attributes: Vec<Attribute>,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct Attribute {
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) name: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) value: Vec<u8>,
}

impl Packet {
    pub(crate) fn of(kind: Kind) -> Self {
        Self { kind: kind.into(), ..Self::default() }
    }

    pub(crate) fn stat(stat: Stat) -> Self {
        Self { stat: Some(stat), ..Self::of(Kind::Stat) }
    }

    pub(crate) fn data(id: u32, data: Bytes) -> Self {
        Self { id, data, ..Self::of(Kind::Data) }
    }
}
