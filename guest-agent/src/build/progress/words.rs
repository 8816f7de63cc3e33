//! What the client says in plain words: of it the end is kept, for the error is there.
//!
//! ```text
//! Dockerfile:3
//! --------------------
//!    2 |     RUN echo a
//!    3 | >>> COPPY a b
//!    4 |
//! --------------------
//! ERROR: failed to solve: dockerfile parse error on line 3: unknown instruction: COPPY
//! ```

use std::collections::VecDeque;

use super::mask::{Masked, Secrets};

const KEPT_BYTES: usize = 64 * 1024;
const RULE: &str = "--------------------";
const ERROR: &str = "ERROR: ";
/// Of a client that did not say why.
const LAST_WORDS_BYTES: usize = 2048;

/// Without secrets already: of one that is cut in two no half would be found.
#[derive(Debug, Default)]
pub(super) struct Words {
    kept: VecDeque<u8>,
    masked: Masked,
}

/// What it comes to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) message: String,
    pub(super) file: String,
    pub(super) first_line: u32,
    pub(super) last_line: u32,
    pub(super) excerpt: String,
}

impl Words {
    pub(super) fn push(&mut self, secrets: &Secrets, data: &[u8]) {
        let mut plain = Vec::new();
        self.masked.push(secrets, data, &mut plain);
        self.keep(&plain);
    }

    fn keep(&mut self, plain: &[u8]) {
        let plain = &plain[plain.len().saturating_sub(KEPT_BYTES)..];
        let over = (self.kept.len() + plain.len()).saturating_sub(KEPT_BYTES);
        self.kept.drain(..over);
        self.kept.extend(plain);
    }

    pub(super) fn fault(mut self, secrets: &Secrets) -> Fault {
        let mut plain = Vec::new();
        self.masked.flush(secrets, &mut plain);
        self.keep(&plain);
        let text = String::from_utf8_lossy(self.kept.make_contiguous()).replace("\r\n", "\n");
        parse(&text)
    }
}

fn parse(text: &str) -> Fault {
    let begins_line = |place: &usize| *place == 0 || text.as_bytes()[*place - 1] == b'\n';
    let error = text.rmatch_indices(ERROR).map(|(place, _)| place).find(begins_line);
    let Some(error) = error else {
        return Fault { message: last_words(text), ..Fault::default() };
    };
    let message = text[error + ERROR.len()..].trim_end().to_owned();
    let place = excerpt(&text[..error]).unwrap_or_default();
    Fault { message, ..place }
}

/// The last place that is shown.
fn excerpt(text: &str) -> Option<Fault> {
    let lines: Vec<&str> = text.lines().collect();
    let close = lines.iter().rposition(|line| *line == RULE)?;
    let open = lines[..close].iter().rposition(|line| *line == RULE)?;
    let (file, line) = lines[..open].last()?.rsplit_once(':')?;
    let line = line.parse().ok()?;
    let shown = &lines[open + 1..close];
    let marked = || shown.iter().filter_map(|line| marked(line));
    Some(Fault {
        message: String::new(),
        file: file.to_owned(),
        first_line: marked().min().unwrap_or(line),
        last_line: marked().max().unwrap_or(line),
        excerpt: shown.join("\n"),
    })
}

/// The number of a line that is at fault.
fn marked(line: &str) -> Option<u32> {
    let (number, rest) = line.split_once('|')?;
    rest.starts_with(" >>>").then(|| number.trim().parse().ok())?
}

fn last_words(text: &str) -> String {
    let text = text.trim();
    let mut start = text.len().saturating_sub(LAST_WORDS_BYTES);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    text[start..].to_owned()
}

#[cfg(test)]
mod tests;
