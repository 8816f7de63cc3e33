//! Runs an expression over a path, all ways at once: in time linear in both.

use super::{
    expression::{Class, Item},
    text::characters,
};

#[derive(Clone, Debug)]
pub(super) struct Machine {
    steps: Vec<Step>,
}

#[derive(Clone, Debug)]
enum Step {
    One(Class),
    Many(Class),
    /// To the next, which is [`Self::Inside`], or past it.
    Deep,
    /// Until after some slash.
    Inside,
    Begin,
    End,
}

/// Before which steps it stands; few at a time.
type Places = Vec<usize>;

impl Machine {
    pub(super) fn new(items: Vec<Item>) -> Self {
        let mut steps = Vec::with_capacity(items.len());
        for item in items {
            match item {
                Item::One(class) => steps.push(Step::One(class)),
                Item::Many(class) => steps.push(Step::Many(class)),
                Item::Deep => steps.extend([Step::Deep, Step::Inside]),
                Item::Begin => steps.push(Step::Begin),
                Item::End => steps.push(Step::End),
            }
        }
        Self { steps }
    }

    /// The whole of it.
    pub(super) fn matches(&self, path: &[u8]) -> bool {
        let (mut now, mut next) = (Places::new(), Places::new());
        let mut left = path.len();
        self.stand(0, true, left == 0, &mut now);
        let mut rest = path;
        for character in characters(path) {
            let length = super::text::first(rest).map_or(1, |(_, length)| length);
            rest = &rest[length..];
            left -= length;
            next.clear();
            for &at in &now {
                self.step(at, character, left == 0, &mut next);
            }
            std::mem::swap(&mut now, &mut next);
            if now.is_empty() {
                return false;
            }
        }
        now.contains(&self.steps.len())
    }

    fn step(&self, at: usize, character: char, at_end: bool, next: &mut Places) {
        match self.steps.get(at) {
            Some(Step::One(class)) if class.has(character) => {
                self.stand(at + 1, false, at_end, next);
            }
            Some(Step::Many(class)) if class.has(character) => self.stand(at, false, at_end, next),
            Some(Step::Inside) if character != '\n' => {
                self.stand(at, false, at_end, next);
                if character == '/' {
                    self.stand(at + 1, false, at_end, next);
                }
            }
            _ => {}
        }
    }

    /// There, and wherever it gets to from there for nothing.
    fn stand(&self, mut at: usize, at_begin: bool, at_end: bool, places: &mut Places) {
        loop {
            if places.contains(&at) {
                return;
            }
            places.push(at);
            match self.steps.get(at) {
                Some(Step::Many(_)) => at += 1,
                Some(Step::Deep) => {
                    self.stand(at + 1, at_begin, at_end, places);
                    at += 2;
                }
                Some(Step::Begin) if at_begin => at += 1,
                Some(Step::End) if at_end => at += 1,
                _ => return,
            }
        }
    }
}
