//! The expression that a pattern stands for.
//!
//! A pattern is written out as a regular expression character by character, without a look at the
//! ranges in it; so `[*]` is the range `[[^/]`, repeated, and a bracket. What comes out is read here
//! as the engine's expressions are read: `.` is no newline, `[^/]` may be one.

mod escape;
mod named;

use std::str::Chars;

use self::{
    escape::{Escape, escape},
    named::{Named, named},
};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Item {
    One(Class),
    Many(Class),
    /// `(.*/)?`: directories, or none.
    Deep,
    Begin,
    End,
}

/// Some characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Class {
    ranges: Vec<(char, char)>,
    is_negated: bool,
}

impl Class {
    fn one(character: char) -> Self {
        Self { ranges: vec![(character, character)], is_negated: false }
    }

    fn no_newline() -> Self {
        Self { ranges: vec![('\n', '\n')], is_negated: true }
    }

    pub(super) fn has(&self, character: char) -> bool {
        let within = |(low, high): &(char, char)| (*low..=*high).contains(&character);
        self.ranges.iter().any(within) != self.is_negated
    }
}

/// `None`: not one that is known here.
pub(super) fn expression(written: &str) -> Option<Vec<Item>> {
    let mut rest = written;
    let mut items = Vec::new();
    loop {
        if let Some(behind) = rest.strip_prefix("(.*/)?") {
            items.push(Item::Deep);
            rest = behind;
            continue;
        }
        let mut characters = rest.chars();
        let Some(character) = characters.next() else { return Some(items) };
        let item = match character {
            '^' => Item::Begin,
            '.' => Item::One(Class::no_newline()),
            '[' => Item::One(class(&mut characters)?),
            '\\' => match escape(&mut characters)? {
                Escape::One(character) => Item::One(Class::one(character)),
                Escape::Some(ranges, is_negated) => Item::One(Class { ranges, is_negated }),
                Escape::Begin => Item::Begin,
                Escape::End => Item::End,
            },
            // Written by nobody but us, behind what it repeats.
            '*' | '(' | '?' => return None,
            character => Item::One(Class::one(character)),
        };
        rest = characters.as_str();
        items.push(match (item, rest.strip_prefix('*')) {
            (Item::One(class), Some(behind)) => {
                rest = behind;
                Item::Many(class)
            }
            (item, _) => item,
        });
    }
}

fn class(characters: &mut Chars<'_>) -> Option<Class> {
    let is_negated = takes(characters, '^');
    let mut ranges = Vec::new();
    let mut is_first = true;
    loop {
        if !is_first && takes(characters, ']') {
            return Some(Class { ranges, is_negated });
        }
        is_first = false;
        match named(characters) {
            Named::Class(several, length) => {
                ranges.extend(several);
                characters.nth(length - 1);
                continue;
            }
            Named::Unknown => return None,
            Named::Not => {}
        }
        let low = match bound(characters)? {
            Bound::One(low) => low,
            Bound::Some(several) => {
                ranges.extend(several);
                continue;
            }
        };
        let behind = characters.as_str().strip_prefix('-');
        let Some(behind) = behind.filter(|behind| !behind.is_empty() && !behind.starts_with(']'))
        else {
            ranges.push((low, low));
            continue;
        };
        *characters = behind.chars();
        match bound(characters)? {
            Bound::One(high) if low <= high => ranges.push((low, high)),
            _ => return None,
        }
    }
}

fn takes(characters: &mut Chars<'_>, wanted: char) -> bool {
    let behind = characters.as_str().strip_prefix(wanted);
    behind.map(|behind| *characters = behind.chars()).is_some()
}

enum Bound {
    One(char),
    Some(Vec<(char, char)>),
}

fn bound(characters: &mut Chars<'_>) -> Option<Bound> {
    match characters.next()? {
        '\\' => match escape(characters)? {
            Escape::One(character) => Some(Bound::One(character)),
            Escape::Some(ranges, false) => Some(Bound::Some(ranges)),
            Escape::Some(_, true) | Escape::Begin | Escape::End => None,
        },
        character => Some(Bound::One(character)),
    }
}
