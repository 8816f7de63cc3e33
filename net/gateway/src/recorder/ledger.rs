//! What is in the file, or is to be.

use std::{
    collections::{HashMap, HashSet},
    io,
    net::IpAddr,
};

use kiln_net::{control::Event, name::Name, record::Refusal};

use super::{
    Lost, Told, Waiting,
    destination::{Destination, To},
    file::{Appended, RecordFile, Slot},
};

/// Of each kind, kept in memory.
const MAX_KEPT: usize = 16 << 10;
/// So many digits may come to a line that is written over.
const GROWTH: usize = 64;

#[derive(Debug)]
pub(super) struct Ledger {
    file: RecordFile,
    lost: Lost,
    /// The first of all, so that it has a place for certain.
    lost_slot: Option<Slot>,
    lost_written: Lost,
    /// Those that are in the file.
    answered: HashSet<(Name, Vec<IpAddr>)>,
    answers: Vec<(Name, Vec<IpAddr>)>,
    /// By what and why, as text.
    refusals: HashMap<String, Entry<Refusal>>,
    flows: HashMap<To, Entry<Destination>>,
    /// The number of the last line of theirs.
    last_flow: u64,
    /// Of what each kind has in the file.
    answer_bytes: u64,
    refusal_bytes: u64,
}

#[derive(Debug)]
struct Entry<T> {
    event: T,
    slot: Option<Slot>,
    /// The file has an older one, or none.
    changed: bool,
    /// It has no room, and is counted.
    lost: bool,
}

impl<T> Entry<T> {
    fn new(event: T) -> Self {
        Self { event, slot: None, changed: true, lost: false }
    }
}

impl Ledger {
    pub(super) fn new(file: RecordFile) -> Self {
        Self {
            file,
            lost: Lost::default(),
            lost_slot: None,
            lost_written: Lost::default(),
            answered: HashSet::new(),
            answers: Vec::new(),
            refusals: HashMap::new(),
            flows: HashMap::new(),
            last_flow: 0,
            answer_bytes: 0,
            refusal_bytes: 0,
        }
    }

    pub(super) fn take(&mut self, waiting: Waiting) {
        let Waiting { answers, refusals, flows, lost } = waiting;
        self.lost.flows += lost.flows;
        self.lost.refusals += lost.refusals;
        for answer in answers {
            if self.answered.contains(&answer) || self.answers.contains(&answer) {
                continue;
            }
            if self.answers.len() + self.answered.len() < MAX_KEPT {
                self.answers.push(answer);
            } else {
                self.lost.flows += 1;
            }
        }
        for refusal in refusals {
            self.take_refusal(refusal);
        }
        for told in flows {
            self.take_flow(told);
        }
    }

    fn take_refusal(&mut self, refusal: Refusal) {
        let Ok(key) = serde_json::to_string(&(&refusal.what, refusal.reason)) else { return };
        let room = self.refusals.len() < MAX_KEPT;
        match self.refusals.get_mut(&key) {
            Some(entry) => {
                entry.event.times += refusal.times;
                entry.event.last = refusal.last;
                entry.changed = true;
            }
            None if room => drop(self.refusals.insert(key, Entry::new(refusal))),
            None => self.lost.refusals += refusal.times,
        }
    }

    fn take_flow(&mut self, told: Told) {
        let to = To::of(&told.flow);
        let room = self.flows.len() < MAX_KEPT;
        match self.flows.get_mut(&to) {
            Some(entry) if !entry.lost => {
                entry.event.take(told);
                entry.changed = true;
            }
            None if room => {
                self.last_flow += 1;
                self.flows.insert(to, Entry::new(Destination::new(self.last_flow, told)));
            }
            Some(_) | None => self.lost.flows += u64::from(told.ended),
        }
    }

    /// All that has changed. After an error the rest is as changed as it was.
    pub(super) fn write(&mut self) -> io::Result<()> {
        self.write_lost()?;
        self.write_answers()?;
        self.write_refusals()?;
        self.write_flows()?;
        self.write_lost()
    }

    fn write_lost(&mut self) -> io::Result<()> {
        let Lost { flows, refusals } = self.lost;
        let line = line(&Event::Lost { flows, refusals })?;
        match self.lost_slot {
            Some(_) if self.lost == self.lost_written => return Ok(()),
            Some(slot) => drop(self.file.rewrite(slot, &line)?),
            None => {
                let bytes = self.file.bytes();
                if let Appended::At(slot) = self.file.append(&line, line.len() + GROWTH, bytes)? {
                    self.lost_slot = Some(slot);
                }
            }
        }
        self.lost_written = self.lost;
        Ok(())
    }

    /// Theirs is a quarter, as it is the refusals': neither takes the flows' room away.
    fn write_answers(&mut self) -> io::Result<()> {
        let share = self.file.bytes() / 4;
        while let Some((name, addresses)) = self.answers.last() {
            let line = line(&Event::Answered { name: name.clone(), addresses: addresses.clone() })?;
            let room = self.answer_bytes + line.len() as u64 <= share;
            let fits =
                room && matches!(self.file.append(&line, 0, self.file.bytes())?, Appended::At(_));
            if fits {
                self.answer_bytes += line.len() as u64;
            } else {
                self.lost.flows += 1;
            }
            self.answered.extend(self.answers.pop());
        }
        Ok(())
    }

    fn write_refusals(&mut self) -> io::Result<()> {
        let share = self.file.bytes() / 4;
        let Self { file, refusals, lost, refusal_bytes, .. } = self;
        let mut result = Ok(());
        refusals.retain(|_, entry| {
            if !entry.changed || result.is_err() {
                return true;
            }
            let limit = share.saturating_sub(*refusal_bytes);
            match write(file, entry, limit, |refusal| Event::Refused(refusal.clone())) {
                Ok(bytes) => *refusal_bytes += bytes,
                Err(error) => result = Err(error),
            }
            if entry.lost {
                // Forgotten, so that the next of its kind is counted too.
                lost.refusals += entry.event.times;
            }
            !entry.lost
        });
        result
    }

    fn write_flows(&mut self) -> io::Result<()> {
        let Self { file, flows, lost, .. } = self;
        for entry in flows.values_mut().filter(|entry| entry.changed && !entry.lost) {
            let event = |to: &Destination| Event::Spliced { id: to.id(), flow: to.flow() };
            write(file, entry, u64::MAX, event)?;
            if entry.lost {
                // Those that last are counted when they end.
                lost.flows += entry.event.ended();
            }
        }
        Ok(())
    }
}

/// Where it is, or at the end if that takes no more than `limit`. The bytes that it took.
fn write<T>(
    file: &mut RecordFile,
    entry: &mut Entry<T>,
    limit: u64,
    event: impl Fn(&T) -> Event,
) -> io::Result<u64> {
    let line = line(&event(&entry.event))?;
    if let Some(slot) = entry.slot
        && file.rewrite(slot, &line)?
    {
        entry.changed = false;
        return Ok(0);
    }
    let length = line.len() + GROWTH;
    let fits = length as u64 <= limit;
    match if fits { file.append(&line, length, file.bytes())? } else { Appended::NoRoom } {
        Appended::At(slot) => {
            entry.slot = Some(slot);
            entry.changed = false;
            Ok(length as u64)
        }
        Appended::NoRoom => {
            entry.lost = true;
            Ok(0)
        }
    }
}

fn line(event: &Event) -> io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(event)?;
    line.push(b'\n');
    Ok(line)
}
