//! What names stand for, and who asked.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{ALONE, GAMES, METADATA, SHARED, SHARED6};

pub(super) const A: u16 = 1;
pub(super) const CNAME: u16 = 5;
pub(super) const TXT: u16 = 16;
pub(super) const AAAA: u16 = 28;
pub(super) const HTTPS: u16 = 65;

/// Of one record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Data {
    Address(IpAddr),
    /// Another name.
    Alias(String),
    Text(String),
    /// The bytes of an HTTPS record.
    Service(Vec<u8>),
}

impl Data {
    pub(super) fn kind(&self) -> u16 {
        match self {
            Self::Address(IpAddr::V4(_)) => A,
            Self::Address(IpAddr::V6(_)) => AAAA,
            Self::Alias(_) => CNAME,
            Self::Text(_) => TXT,
            Self::Service(_) => HTTPS,
        }
    }
}

/// What a name is answered with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub data: Data,
    pub seconds: u32,
}

/// One question that came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    pub from: SocketAddr,
    pub name: String,
    pub kind: u16,
}

#[derive(Debug, Default)]
struct Book {
    names: BTreeMap<String, Vec<Answer>>,
    asked: Vec<Asked>,
}

/// Clones are one zone. A name without a record is no name.
#[derive(Clone, Debug, Default)]
pub struct Zone(Arc<Mutex<Book>>);

impl Zone {
    pub(super) fn of_tests() -> Self {
        let zone = Self::default();
        let four = |address: Ipv4Addr| Data::Address(address.into());
        let six = |address: Ipv6Addr| Data::Address(address.into());
        for name in ["one.test", "two.test", "deep.one.test", "plain.test"] {
            zone.say(name, [four(SHARED)]);
        }
        zone.say("three.test", [four(ALONE)]);
        zone.say("game.test", [four(GAMES)]);
        zone.say("both.test", [four(SHARED), six(SHARED6)]);
        zone.say("six.test", [six(SHARED6)]);
        zone.say("alias.test", [Data::Alias("one.test".to_owned())]);
        zone.say("loop.test", [Data::Alias("loop.test".to_owned())]);
        zone.say("private.test", [four(Ipv4Addr::new(10, 1, 2, 3))]);
        zone.say("mixed.test", [four(SHARED), four(Ipv4Addr::new(192, 168, 1, 1))]);
        zone.say("metadata.test", [four(METADATA)]);
        zone.say("loopback.test", [four(Ipv4Addr::LOCALHOST), six(Ipv6Addr::LOCALHOST)]);
        zone.say("mapped.test", [six(Ipv4Addr::new(10, 1, 2, 3).to_ipv6_mapped())]);
        // Priority 1, the name itself, and a parameter `ech` of four bytes.
        let hint = vec![0, 1, 0, 0, 5, 0, 4, 1, 2, 3, 4];
        zone.say("hints.test", [four(SHARED), Data::Service(hint)]);
        zone.say("text.test", [Data::Text("a secret way".to_owned())]);
        zone
    }

    /// From now on, in place of what it said of the name before; for a minute each time.
    pub fn say(&self, name: &str, data: impl IntoIterator<Item = Data>) {
        let answers = data.into_iter().map(|data| Answer { data, seconds: 60 });
        self.say_exactly(name, answers);
    }

    pub fn say_exactly(&self, name: &str, answers: impl IntoIterator<Item = Answer>) {
        let name = name.to_ascii_lowercase();
        self.book().names.insert(name, answers.into_iter().collect());
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.book().asked.clone()
    }

    pub fn forget(&self) {
        self.book().asked.clear();
    }

    /// The records of an answer, aliases followed; `None` for a name that is none.
    pub(super) fn answer(&self, asked: Asked) -> Option<Vec<(String, Answer)>> {
        let Asked { name, kind, .. } = asked.clone();
        let mut book = self.book();
        book.asked.push(asked);
        let (mut found, mut name) = (Vec::new(), name.to_ascii_lowercase());
        let mut is_known = false;
        // An alias of itself is told a few times over.
        for _ in 0..8 {
            let Some(answers) = book.names.get(&name) else { break };
            is_known = true;
            let alias = answers.iter().find_map(|answer| match &answer.data {
                Data::Alias(target) if kind != CNAME => Some(target.clone()),
                _ => None,
            });
            let of_kind = answers.iter().filter(|answer| {
                answer.data.kind() == kind || matches!(answer.data, Data::Alias(_))
            });
            found.extend(of_kind.map(|answer| (name.clone(), answer.clone())));
            match alias {
                Some(target) => name = target,
                None => break,
            }
        }
        is_known.then_some(found)
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
