//! Takes out what a running system does not need: caches of package managers, documents, messages in
//! other languages, old logs.
//!
//! Places are taken by their own names: a link at one of them, or on the way to it, is not followed, so
//! nothing goes that does not stand there. `__pycache__` stays: it is what makes Python start fast.

mod excess;
mod licence;
mod locale;
mod logs;
mod places;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

pub use self::excess::Excess;
use crate::{
    removal::{Freed, Removal},
    tree::Tree,
};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    pub excesses: BTreeSet<Excess>,
    /// Languages whose messages stay, as `de` or `pt_BR`.
    pub kept_locales: Vec<String>,
}

impl Default for Options {
    /// Everything, but messages in English.
    fn default() -> Self {
        Self { excesses: Excess::ALL.into(), kept_locales: vec!["en".to_owned()] }
    }
}

/// In the order of the excesses, those too that nothing was found of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    pub parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    pub excess: Excess,
    /// Where something was freed.
    pub places: Vec<Place>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub path: Vec<u8>,
    pub freed: Freed,
}

impl Part {
    pub fn freed(&self) -> Freed {
        self.places.iter().fold(Freed::default(), |mut sum, place| {
            sum += place.freed;
            sum
        })
    }
}

pub fn optimise(tree: &mut Tree, options: &Options) -> Report {
    let mut removal = Removal::new(tree);
    let part = |excess: &Excess| Part {
        excess: *excess,
        places: excess.take(&mut removal, &options.kept_locales),
    };
    Report { parts: options.excesses.iter().map(part).collect() }
}
