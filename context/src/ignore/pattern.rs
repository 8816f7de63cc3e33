//! One pattern: most are compared as they stand, the rest become an expression.

use super::{
    InvalidIgnore,
    clean::clean,
    expression::{Item, expression},
    machine::Machine,
    syntax::is_valid,
    text::{first, trim},
};

#[derive(Clone, Debug)]
pub(super) struct Pattern {
    /// What it matches is kept, though an earlier one matches too.
    pub(super) keeps: bool,
    text: Vec<u8>,
    way: Way,
}

#[derive(Clone, Debug)]
enum Way {
    Exact,
    /// Without its `**`.
    Prefix,
    Suffix,
    Expression(Machine),
    /// The engine's to judge: until then nothing is left out for it.
    Left,
}

impl Pattern {
    /// `None` for one that is blank.
    pub(super) fn parse(line: usize, text: &[u8]) -> Result<Option<Self>, InvalidIgnore> {
        let text = trim(text);
        if text.is_empty() {
            return Ok(None);
        }
        let text = clean(text);
        let (keeps, text) = match &*text {
            b"!" => return Err(InvalidIgnore::LonelyMark { line }),
            [b'!', text @ ..] => (true, text),
            text => (false, text),
        };
        if !is_valid(text) {
            let pattern = String::from_utf8_lossy(text).into_owned();
            return Err(InvalidIgnore::Pattern { line, pattern });
        }
        Ok(Some(Self { keeps, way: Way::of(text), text: text.to_vec() }))
    }

    pub(super) fn is_left(&self) -> bool {
        matches!(self.way, Way::Left)
    }

    pub(super) fn matches(&self, path: &[u8]) -> bool {
        match &self.way {
            Way::Exact => path == self.text,
            Way::Prefix => path.starts_with(&self.text[..self.text.len() - 2]),
            Way::Suffix => {
                let suffix = &self.text[2..];
                path.ends_with(suffix) || suffix.strip_prefix(b"/") == Some(path)
            }
            Way::Expression(machine) => machine.matches(path),
            Way::Left => self.keeps,
        }
    }

    /// Judged by how both begin: up to its first wildcard a pattern is a path.
    pub(super) fn may_match_in(&self, directory: &[u8]) -> bool {
        if matches!(self.way, Way::Left) {
            return true;
        }
        let special = |byte: &u8| b"*?[]^\\".contains(byte);
        let plain = self.text.iter().position(special).unwrap_or(self.text.len());
        let inside = [directory, b"/"].concat();
        let common = inside.len().min(plain);
        inside[..common] == self.text[..common]
            && (inside.len() < self.text.len() || plain < self.text.len())
    }
}

impl Way {
    fn of(text: &[u8]) -> Self {
        let mut written = String::from("^");
        let mut way = Some(Self::Exact);
        let (mut rest, mut tokens) = (text, 0);
        let next = |rest: &mut &[u8]| {
            let (character, length) = first(rest)?;
            *rest = &rest[length..];
            Some(character)
        };
        while let Some(character) = next(&mut rest) {
            match character {
                '*' if rest.starts_with(b"*") => {
                    rest = &rest[1..];
                    rest = rest.strip_prefix(b"/").unwrap_or(rest);
                    if !rest.is_empty() {
                        written.push_str("(.*/)?");
                        way = None;
                    } else if matches!(way, Some(Self::Exact)) {
                        way = Some(Self::Prefix);
                    } else {
                        written.push_str(".*");
                        way = None;
                    }
                    if tokens == 0 {
                        way = Some(Self::Suffix);
                    }
                }
                '*' => {
                    written.push_str("[^/]*");
                    way = None;
                }
                '?' => {
                    written.push_str("[^/]");
                    way = None;
                }
                '.' | '+' | '(' | ')' | '|' | '{' | '}' | '$' => written.extend(['\\', character]),
                '\\' => {
                    written.push('\\');
                    if let Some(escaped) = next(&mut rest) {
                        written.push(escaped);
                        way = None;
                    }
                }
                '[' | ']' => {
                    written.push(character);
                    way = None;
                }
                character => written.push(character),
            }
            tokens += 1;
        }
        match way {
            Some(way) => way,
            None => match expression(&written) {
                Some(mut items) => {
                    items.push(Item::End);
                    Self::Expression(Machine::new(items))
                }
                None => Self::Left,
            },
        }
    }
}
