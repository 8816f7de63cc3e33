//! A message about elements: a header of netlink, one of nfnetlink, attributes.

use std::time::Duration;

const SUBSYSTEM: u16 = 10;
const NEW_ELEMENTS: u16 = 12;
const GET_ELEMENTS: u16 = 13;
const DELETE_ELEMENTS: u16 = 14;
const BATCH_BEGIN: u16 = 0x10;
const BATCH_END: u16 = 0x11;

const REQUEST: u16 = 1;
const ACKNOWLEDGE: u16 = 4;
const CREATE: u16 = 0x400;

const TABLE: u16 = 1;
const SET: u16 = 2;
const ELEMENTS: u16 = 3;
const ELEMENT: u16 = 1;
const KEY: u16 = 1;
const TIMEOUT: u16 = 4;
const VALUE: u16 = 1;
const NESTED: u16 = 0x8000;

const INET: u8 = 1;
pub(super) const HEADER_BYTES: usize = 16;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Element {
    pub(super) key: Vec<u8>,
    pub(super) timeout: Option<Duration>,
}

impl From<(Vec<u8>, Duration)> for Element {
    fn from((key, timeout): (Vec<u8>, Duration)) -> Self {
        Self { key, timeout: Some(timeout) }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Request {
    Add,
    Delete,
    /// All there are.
    Flush,
    LookUp,
}

pub(super) fn begin(sequence: u32) -> Vec<u8> {
    message(BATCH_BEGIN, REQUEST, sequence, 0, SUBSYSTEM, &[])
}

pub(super) fn end(sequence: u32) -> Vec<u8> {
    message(BATCH_END, REQUEST, sequence, 0, SUBSYSTEM, &[])
}

pub(super) fn elements(
    request: Request,
    sequence: u32,
    table: &str,
    set: &str,
    elements: &[Element],
) -> Vec<u8> {
    let (kind, flags) = match request {
        Request::Add => (NEW_ELEMENTS, REQUEST | CREATE | ACKNOWLEDGE),
        Request::Delete | Request::Flush => (DELETE_ELEMENTS, REQUEST | ACKNOWLEDGE),
        Request::LookUp => (GET_ELEMENTS, REQUEST),
    };
    let mut body = Vec::new();
    attribute(&mut body, TABLE, &[table.as_bytes(), b"\0"].concat());
    attribute(&mut body, SET, &[set.as_bytes(), b"\0"].concat());
    if request != Request::Flush {
        let mut list = Vec::new();
        for element in elements {
            let mut value = Vec::new();
            attribute(&mut value, VALUE, &element.key);
            let mut content = Vec::new();
            attribute(&mut content, KEY | NESTED, &value);
            if let Some(timeout) = element.timeout.filter(|_| request == Request::Add) {
                let milliseconds = u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX);
                attribute(&mut content, TIMEOUT, &milliseconds.to_be_bytes());
            }
            attribute(&mut list, ELEMENT | NESTED, &content);
        }
        attribute(&mut body, ELEMENTS | NESTED, &list);
    }
    message(SUBSYSTEM << 8 | kind, flags, sequence, INET, 0, &body)
}

fn message(
    kind: u16,
    flags: u16,
    sequence: u32,
    family: u8,
    resource: u16,
    body: &[u8],
) -> Vec<u8> {
    let length = u32::try_from(HEADER_BYTES + 4 + body.len()).unwrap_or(u32::MAX);
    let mut message = Vec::with_capacity(HEADER_BYTES + 4 + body.len());
    message.extend(length.to_ne_bytes());
    message.extend(kind.to_ne_bytes());
    message.extend(flags.to_ne_bytes());
    message.extend(sequence.to_ne_bytes());
    // To the kernel.
    message.extend([0; 4]);
    message.extend([family, 0]);
    message.extend(resource.to_be_bytes());
    message.extend_from_slice(body);
    message
}

fn attribute(into: &mut Vec<u8>, kind: u16, content: &[u8]) {
    // Lists are bounded by the caller, names by their check: nothing here has 64 KiB.
    let length = u16::try_from(4 + content.len()).unwrap_or(u16::MAX);
    into.extend(length.to_ne_bytes());
    into.extend(kind.to_ne_bytes());
    into.extend_from_slice(content);
    into.resize(into.len().next_multiple_of(4), 0);
}
