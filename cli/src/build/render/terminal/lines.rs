//! Steps as rows.

use std::collections::BTreeMap;

use tokio::time::Instant;

use super::{Line, screen::Row};
use crate::{build::render::bytes::of_total, display::printable};

pub(super) fn all(steps: &BTreeMap<u32, Line>, now: Instant) -> Vec<Row> {
    steps.values().filter(|line| line.is_begun()).flat_map(|line| rows(line, false, now)).collect()
}

/// At most `most`: what is done longest goes first.
pub(super) fn within(steps: &BTreeMap<u32, Line>, most: usize, now: Instant) -> Vec<Row> {
    let mut blocks: Vec<(bool, Vec<Row>)> = steps
        .values()
        .filter(|line| line.is_begun())
        .map(|line| (line.step.completed_at.is_some(), rows(line, true, now)))
        .collect();
    let count = |blocks: &[(bool, Vec<Row>)]| blocks.iter().map(|(_, rows)| rows.len()).sum();
    let mut total: usize = count(&blocks);
    while total > most
        && let Some(index) = blocks.iter().position(|(is_done, _)| *is_done)
    {
        total -= blocks.remove(index).1.len();
    }
    let mut rows: Vec<Row> = blocks.into_iter().flat_map(|(_, rows)| rows).collect();
    rows.truncate(most);
    rows
}

fn rows(line: &Line, is_live: bool, now: Instant) -> Vec<Row> {
    let took = Some(line.took(now));
    let step = &line.step;
    let name = printable(&step.name).replace('\n', " ");
    let is_done = step.completed_at.is_some();
    let head = match (step.error.as_str(), step.cached) {
        ("", true) => Row::done(format!(" => CACHED {name}"), took),
        ("", false) if is_done => Row::done(format!(" => {name}"), took),
        ("", false) => Row::timed(format!(" => {name}"), took),
        (error, _) if error.ends_with("context canceled") => {
            Row::timed(format!(" => CANCELED {name}"), took)
        }
        _ => Row::failed(format!(" => ERROR {name}"), took),
    };
    let mut rows = vec![head];
    for progress in &line.progress {
        let of = of_total(progress.current, progress.total);
        let text = format!(" => => {}{of}", printable(&progress.id));
        rows.push(match (progress.started_at, progress.completed_at) {
            (Some(started_at), Some(completed_at)) => {
                Row::done(text, Some(completed_at.since(started_at)))
            }
            _ => Row::timed(text, None),
        });
    }
    if is_live && !is_done {
        let tail = line.tail.iter();
        rows.extend(tail.map(|text| Row::plain(format!(" => => # {}", printable(text)))));
    }
    rows
}

impl Line {
    fn is_begun(&self) -> bool {
        self.step.started_at.is_some() || self.step.completed_at.is_some()
    }
}

/// What a program says to a terminal is not for this one: colours and cursors would undo the window.
pub(super) fn without_escapes(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        if letter != '\x1b' {
            plain.push(letter);
            continue;
        }
        match letters.next() {
            // To its final letter.
            Some('[') => {
                letters.find(|letter| ('@'..='~').contains(letter));
            }
            // To the bell, or to the end of the line.
            Some(']') => {
                letters.find(|letter| *letter == '\x07');
            }
            Some(_) | None => {}
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_taken_out() {
        let check = |text, expected: &str| assert_eq!(without_escapes(text), expected);
        check("\x1b[1;31mred\x1b[0m", "red");
        check("\x1b]0;title\x07after", "after");
        check("\x1b(Bplain", "Bplain");
        check("cut\x1b[", "cut");
        check("grün", "grün");
    }
}
