//! From the asked name over its aliases to what was asked for.

use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};

use super::{Asked, LONGEST, Unusable};

/// In one answer.
const MAX_ALIASES: usize = 8;

pub(super) struct End<'a> {
    /// Where the chain ends, if it has begun.
    pub(super) alias: Option<Name>,
    /// Of the asked kind, and of the name where the chain ends.
    pub(super) records: Vec<&'a RData>,
    /// The least of all that led here.
    pub(super) ttl: u32,
}

/// What belongs to no chain is left out.
pub(super) fn follow<'a>(answers: &'a [Record], asked: &Asked) -> Result<End<'a>, Unusable> {
    let mut name = &asked.name;
    let mut ttl = LONGEST;
    let mut aliases = 0;
    while let Some((target, own)) = alias_of(answers, name, asked.kind) {
        aliases += 1;
        // A circle never ends otherwise.
        if aliases > MAX_ALIASES {
            return Err(Unusable::Aliases);
        }
        name = target;
        ttl = ttl.min(own);
    }
    let records = answers
        .iter()
        .filter(|one| of(one, name) && one.record_type() == asked.kind)
        .map(|one| {
            ttl = ttl.min(one.ttl);
            &one.data
        })
        .collect();
    Ok(End { alias: (aliases > 0).then(|| name.clone()), records, ttl })
}

fn alias_of<'a>(answers: &'a [Record], name: &Name, kind: RecordType) -> Option<(&'a Name, u32)> {
    // Whoever asks for the alias itself gets it and nothing behind it.
    if kind == RecordType::CNAME {
        return None;
    }
    answers.iter().find_map(|one| match &one.data {
        RData::CNAME(target) if of(one, name) => Some((&target.0, one.ttl)),
        _ => None,
    })
}

fn of(record: &Record, name: &Name) -> bool {
    record.dns_class == DNSClass::IN && record.name == *name
}
