//! Tells JSON objects from what stands between them, in bytes that come in pieces.
//!
//! An object begins with a brace at the beginning of a line: what the client says in plain words is
//! indented, or begins with a word. What is cut off, or too long, is no text: it may hold a step's
//! output in a form in which no secret would be found.

/// The longest object; the engine's own messages are of at most a few MiB.
const MAX_OBJECT_BYTES: usize = 4 << 20;
const ERROR_LINE: &[u8] = b"\nERROR: ";

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// From its first brace to its last, if it is JSON at all.
    Object(Vec<u8>),
    /// What is no object.
    Text(&'a [u8]),
    /// An object that was too long to be kept, and has ended.
    TooLong,
}

#[derive(Debug)]
pub(super) struct Objects {
    object: Vec<u8>,
    state: State,
    most: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Between { at_line_start: bool },
    Inside(Nesting),
    Skipping(Nesting),
}

/// How deep, and whether braces count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Nesting {
    depth: usize,
    in_string: bool,
    escaped: bool,
}

impl Default for Objects {
    fn default() -> Self {
        Self::with_most(MAX_OBJECT_BYTES)
    }
}

impl Objects {
    pub(super) fn with_most(most: usize) -> Self {
        Self { object: Vec::new(), state: State::Between { at_line_start: true }, most }
    }

    /// Takes what came next, and hands on what it is.
    pub(super) fn push<'a>(&mut self, mut data: &'a [u8], mut hand_on: impl FnMut(Piece<'a>)) {
        while !data.is_empty() {
            let (taken, next) = match self.state {
                State::Between { at_line_start } => {
                    let begin = beginning(data, at_line_start);
                    let (text, rest) = data.split_at(begin.unwrap_or(data.len()));
                    if !text.is_empty() {
                        hand_on(Piece::Text(text));
                    }
                    let at_line_start = text.last().map_or(at_line_start, |last| *last == b'\n');
                    data = rest;
                    self.state = match begin {
                        Some(_) => State::Inside(Nesting::default()),
                        None => State::Between { at_line_start },
                    };
                    continue;
                }
                State::Inside(nesting) | State::Skipping(nesting) => nesting.go_on(data),
            };
            let (part, rest) = data.split_at(taken);
            data = rest;
            self.state = self.take(part, next, &mut hand_on);
        }
    }

    /// A part of an object, which has ended where there is no nesting behind it.
    fn take<'a>(
        &mut self,
        part: &'a [u8],
        next: Option<Nesting>,
        hand_on: &mut impl FnMut(Piece<'a>),
    ) -> State {
        let is_skipping =
            matches!(self.state, State::Skipping(_)) || self.object.len() + part.len() > self.most;
        if is_skipping {
            self.object = Vec::new();
        } else {
            self.object.extend_from_slice(part);
        }
        match next {
            Some(nesting) if is_skipping => State::Skipping(nesting),
            Some(nesting) => State::Inside(nesting),
            None => {
                hand_on(if is_skipping {
                    Piece::TooLong
                } else {
                    Piece::Object(std::mem::take(&mut self.object))
                });
                // An object's line may go on; nothing that we know begins there.
                State::Between { at_line_start: false }
            }
        }
    }

    /// Of an object that never ended, the error that was said in it: no line of an object begins so.
    pub(super) fn rest(&mut self) -> Vec<u8> {
        let mut rest = std::mem::take(&mut self.object);
        let line = rest.windows(ERROR_LINE.len()).rposition(|part| part == ERROR_LINE);
        rest.split_off(line.unwrap_or(rest.len()))
    }
}

/// Where an object begins.
fn beginning(data: &[u8], at_line_start: bool) -> Option<usize> {
    if at_line_start && data.first() == Some(&b'{') {
        return Some(0);
    }
    data.windows(2).position(|pair| pair == b"\n{").map(|line_end| line_end + 1)
}

impl Nesting {
    /// How many bytes are the object's, and the nesting behind them unless it ends there.
    fn go_on(mut self, data: &[u8]) -> (usize, Option<Self>) {
        for (place, byte) in data.iter().enumerate() {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' if self.in_string => self.escaped = true,
                b'"' => self.in_string = !self.in_string,
                b'{' | b'[' if !self.in_string => self.depth += 1,
                b'}' | b']' if !self.in_string => {
                    self.depth = self.depth.saturating_sub(1);
                    if self.depth == 0 {
                        return (place + 1, None);
                    }
                }
                _ => {}
            }
        }
        (data.len(), Some(self))
    }
}

#[cfg(test)]
mod tests;
