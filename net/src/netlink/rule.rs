//! Rules: who looks into which table.

use super::{
    Netlink, NetlinkError, PROTOCOL,
    attribute::{attributes, family_number, ip, number, octets, text},
    message::{CREATE, DUMP, EXCLUSIVE, Message},
    route::MAIN,
};
use crate::plan::Cidr;

const NEW: u16 = 32;
const DELETE: u16 = 33;
const GET: u16 = 34;
const SOURCE: u16 = 2;
const INPUT: u16 = 3;
const PRIORITY: u16 = 6;
const MARK: u16 = 10;
const TABLE: u16 = 15;
const MASK: u16 = 16;
const RULE_PROTOCOL: u16 = 21;
const HEADER_BYTES: usize = 12;
const LOOK_UP: u8 = 1;
const BLACKHOLE: u8 = 6;
const UNREACHABLE: u8 = 7;

/// One of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Which it is asked before those of higher ones.
    pub priority: u32,
    pub is_six: bool,
    pub from: Option<Cidr>,
    /// Whence it came.
    pub input: Option<String>,
    /// And the mask.
    pub mark: Option<(u32, u32)>,
    pub action: Action,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    LookUp {
        table: u32,
    },
    Unreachable,
    /// And nobody is told.
    Blackhole,
    /// None that we make.
    Other,
}

impl Action {
    pub const MAIN: Self = Self::LookUp { table: MAIN };
}

impl Netlink {
    pub fn add_rule(&mut self, rule: &Rule) -> Result<(), NetlinkError> {
        let message = message(NEW, CREATE | EXCLUSIVE, rule);
        self.order(message, || format!("the rule {} could not be added", rule.priority))
    }

    /// The one that is exactly so.
    pub fn delete_rule(&mut self, rule: &Rule) -> Result<(), NetlinkError> {
        let message = message(DELETE, 0, rule);
        self.order(message, || format!("the rule {} could not be removed", rule.priority))
    }

    /// Everybody's; whether it is marked as ours stands beside it.
    pub fn rules(&mut self) -> Result<Vec<(Rule, bool)>, NetlinkError> {
        let mut found = Vec::new();
        for family in [libc::AF_INET, libc::AF_INET6] {
            let mut header = [0; HEADER_BYTES];
            header[0] = family_number(family);
            let asked = self.ask(
                Message::new(GET, DUMP, &header),
                |_, body| found.extend(parse(body)),
                || "the rules could not be listed".to_owned(),
            );
            match asked {
                // A kernel without IPv6 has none of them.
                Err(error) if error.errno() == libc::EAFNOSUPPORT => {}
                other => other?,
            }
        }
        Ok(found)
    }
}

fn message(kind: u16, flags: u16, rule: &Rule) -> Message {
    let Rule { priority, is_six, from, input, mark, action } = rule;
    let family = if *is_six { libc::AF_INET6 } else { libc::AF_INET };
    let (action, table) = match action {
        Action::LookUp { table } => (LOOK_UP, *table),
        Action::Blackhole => (BLACKHOLE, 0),
        Action::Unreachable | Action::Other => (UNREACHABLE, 0),
    };
    let mut header = [0; HEADER_BYTES];
    header[0] = family_number(family);
    header[2] = from.map_or(0, |from| from.prefix());
    header[7] = action;
    let mut message = Message::new(kind, flags, &header)
        .with_number(PRIORITY, *priority)
        .with(RULE_PROTOCOL, &[PROTOCOL]);
    if table != 0 {
        message = message.with_number(TABLE, table);
    }
    if let Some(from) = from {
        message = message.with(SOURCE, &octets(from.address()));
    }
    if let Some(input) = input {
        message = message.with_text(INPUT, input);
    }
    if let Some((mark, mask)) = mark {
        message = message.with_number(MARK, *mark).with_number(MASK, *mask);
    }
    message
}

fn parse(body: &[u8]) -> Option<(Rule, bool)> {
    let (header, rest) = body.split_at_checked(HEADER_BYTES)?;
    let [family, _, source_prefix, _, table, _, _, action, ..] = *header else { return None };
    let mut rule = Rule {
        priority: 0,
        is_six: family == family_number(libc::AF_INET6),
        from: None,
        input: None,
        mark: None,
        action: Action::Other,
    };
    let (mut table, mut is_ours) = (u32::from(table), false);
    let (mut mark, mut mask) = (None, u32::MAX);
    for (kind, value) in attributes(rest) {
        match kind {
            SOURCE => rule.from = Cidr::new(ip(value)?, source_prefix).ok(),
            INPUT => rule.input = text(value),
            PRIORITY => rule.priority = number(value)?,
            MARK => mark = number(value),
            MASK => mask = number(value)?,
            TABLE => table = number(value)?,
            RULE_PROTOCOL => is_ours = value == [PROTOCOL],
            _ => {}
        }
    }
    rule.mark = mark.map(|mark| (mark, mask));
    rule.action = match action {
        LOOK_UP => Action::LookUp { table },
        BLACKHOLE => Action::Blackhole,
        UNREACHABLE => Action::Unreachable,
        _ => Action::Other,
    };
    Some((rule, is_ours))
}
