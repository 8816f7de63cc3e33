//! The gateway's own record, read as if somebody hostile had written it: a gateway parses what guests
//! send, and one that was taken over writes what it likes.

use std::{
    collections::{BTreeMap, HashMap},
    io::{self, BufRead, Read},
    net::IpAddr,
};

use super::{Flow, Reason, Refusal, Refused};
use crate::{control::Event, name::Name};

/// A gateway's lines lie within a page.
const MAX_LINE_BYTES: u64 = 8 << 10;
/// Of each kind, in memory.
const MAX_KEPT: usize = 16 << 10;
/// Of text that need not be a name.
const MAX_TEXT: usize = 256;

#[derive(Debug, Default)]
pub struct Journal {
    names: HashMap<IpAddr, Given>,
    /// The newest of each connection.
    pub(super) flows: BTreeMap<u64, Flow>,
    pub(super) refusals: HashMap<(Refused, Reason), Refusal>,
    pub(super) lost_flows: u64,
    pub(super) lost_refusals: u64,
    unreadable_lines: u64,
    /// There was more than may be read.
    is_cut: bool,
}

/// For which names an address was given.
#[derive(Debug)]
enum Given {
    One(Name),
    /// Which of them a packet means can't be told.
    Several,
}

impl Journal {
    /// Of at most `most_bytes`. What can't be understood is counted and passed over.
    pub fn read(from: impl BufRead, most_bytes: u64) -> io::Result<Self> {
        let mut journal = Self::default();
        let mut from = from.take(most_bytes.saturating_add(1));
        let mut line = Vec::new();
        loop {
            line.clear();
            (&mut from).take(MAX_LINE_BYTES).read_until(b'\n', &mut line)?;
            if line.is_empty() {
                journal.is_cut = from.limit() == 0;
                return Ok(journal);
            }
            if line.last() != Some(&b'\n') && line.len() as u64 == MAX_LINE_BYTES {
                from.skip_until(b'\n')?;
                line.clear();
                journal.unreadable_lines += 1;
            }
            journal.take_line(line.trim_ascii());
        }
    }

    /// The one name that it was given for.
    pub(super) fn name_of(&self, address: IpAddr) -> Option<&Name> {
        match self.names.get(&address)? {
            Given::One(name) => Some(name),
            Given::Several => None,
        }
    }

    /// What is missing in it, in words.
    pub(super) fn lacks(&self) -> Vec<String> {
        let mut lacks = Vec::new();
        match self.unreadable_lines {
            0 => {}
            1 => lacks.push("one line of the gateway's record cannot be read".to_owned()),
            lines => lacks.push(format!("{lines} lines of the gateway's record cannot be read")),
        }
        if self.is_cut {
            lacks.push("the gateway's record is longer than it may be".to_owned());
        }
        lacks
    }

    fn take_line(&mut self, line: &[u8]) {
        if line.is_empty() {
            return;
        }
        match serde_json::from_slice(line) {
            Ok(event) => self.take(event),
            Err(_) => self.unreadable_lines += 1,
        }
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Answered { name, addresses } => {
                for address in addresses {
                    self.give(&name, address);
                }
            }
            Event::Spliced { id, flow } => {
                if self.flows.len() < MAX_KEPT || self.flows.contains_key(&id) {
                    self.flows.insert(id, flow);
                } else {
                    self.lost_flows = self.lost_flows.saturating_add(1);
                }
            }
            Event::Refused(refusal) => self.refuse(refusal),
            Event::Lost { flows, refusals } => {
                self.lost_flows = self.lost_flows.saturating_add(flows);
                self.lost_refusals = self.lost_refusals.saturating_add(refusals);
            }
        }
    }

    fn give(&mut self, name: &Name, address: IpAddr) {
        let has_room = self.names.len() < MAX_KEPT;
        match self.names.get_mut(&address) {
            Some(Given::One(known)) if known == name => {}
            Some(given) => *given = Given::Several,
            None if has_room => drop(self.names.insert(address, Given::One(name.clone()))),
            None => {}
        }
    }

    fn refuse(&mut self, refusal: Refusal) {
        let refusal = Refusal { what: cleaned(refusal.what), ..refusal };
        let key = (refusal.what.clone(), refusal.reason);
        let has_room = self.refusals.len() < MAX_KEPT;
        match self.refusals.get_mut(&key) {
            Some(known) => known.add(&refusal),
            None if has_room => drop(self.refusals.insert(key, refusal)),
            None => self.lost_refusals = self.lost_refusals.saturating_add(refusal.times),
        }
    }
}

fn cleaned(what: Refused) -> Refused {
    match what {
        Refused::Query { name, kind } => Refused::Query { name: clean(&name), kind: clean(&kind) },
        Refused::Connection { name, address, port, transport } => {
            let name = name.map(|name| clean(&name));
            Refused::Connection { name, address, port, transport }
        }
    }
}

/// Printable, short, and the same when it is cleaned again.
fn clean(text: &str) -> String {
    let mut clean = String::new();
    for letter in text.chars() {
        if clean.len() >= MAX_TEXT {
            break;
        }
        match letter {
            ' '..='~' => clean.push(letter),
            _ => clean.extend(letter.escape_default()),
        }
    }
    clean.truncate(MAX_TEXT);
    clean
}
