//! The expression that a pattern stands for.
//!
//! A pattern is written out as a regular expression character by character, without a look at the
//! ranges in it; so `[*]` is the range `[[^/]`, repeated, and a bracket. What comes out is read here
//! as the engine's expressions are read: `.` is no newline, `[^/]` may be one.

mod escape;

use std::{iter::Peekable, str::Chars};

use self::escape::{Escape, escape};

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
            '[' => {
                let mut inside = characters.clone().peekable();
                let class = class(&mut inside)?;
                let left: usize = inside.map(char::len_utf8).sum();
                characters = rest[rest.len() - left..].chars();
                Item::One(class)
            }
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

fn class(characters: &mut Peekable<Chars<'_>>) -> Option<Class> {
    let is_negated = characters.next_if_eq(&'^').is_some();
    let mut ranges = Vec::new();
    let mut is_first = true;
    loop {
        if !is_first && characters.next_if_eq(&']').is_some() {
            return Some(Class { ranges, is_negated });
        }
        is_first = false;
        if characters.peek() == Some(&'[') {
            let mut ahead = characters.clone();
            ahead.next();
            // A class by its name, as [:alpha:].
            if ahead.peek() == Some(&':') {
                return None;
            }
        }
        let low = match bound(characters)? {
            Bound::One(low) => low,
            Bound::Some(several) => {
                ranges.extend(several);
                continue;
            }
        };
        let mut ahead = characters.clone();
        let is_range = ahead.next() == Some('-') && ahead.peek().is_some_and(|next| *next != ']');
        if !is_range {
            ranges.push((low, low));
            continue;
        }
        *characters = ahead;
        match bound(characters)? {
            Bound::One(high) if low <= high => ranges.push((low, high)),
            _ => return None,
        }
    }
}

enum Bound {
    One(char),
    Some(Vec<(char, char)>),
}

fn bound(characters: &mut Peekable<Chars<'_>>) -> Option<Bound> {
    match characters.next()? {
        '\\' => match escape(characters)? {
            Escape::One(character) => Some(Bound::One(character)),
            Escape::Some(ranges, false) => Some(Bound::Some(ranges)),
            Escape::Some(_, true) | Escape::Begin | Escape::End => None,
        },
        character => Some(Bound::One(character)),
    }
}
