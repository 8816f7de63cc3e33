//! Which names are asked for.

use kiln_context::{Ignore, InvalidPattern, Matched};

#[derive(Debug, Default)]
pub(crate) struct Filter {
    /// `None`: all.
    include: Option<Ignore>,
    exclude: Option<Ignore>,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum InvalidFilter {
    #[error("invalid includepatterns")]
    Include(#[source] InvalidPattern),
    #[error("invalid excludepatterns")]
    Exclude(#[source] InvalidPattern),
}

/// What is to become of a name.
pub(super) struct Sorted {
    pub(super) is_told: bool,
    /// Something in it may be told, if it is a directory.
    pub(super) may_hold: bool,
    pub(super) included: Matched,
    pub(super) excluded: Matched,
}

impl Filter {
    /// None of either: it is not asked for.
    pub(crate) fn new(include: &[Vec<u8>], exclude: &[Vec<u8>]) -> Result<Self, InvalidFilter> {
        let some =
            |patterns: &[Vec<u8>]| (!patterns.is_empty()).then(|| Ignore::of(patterns)).transpose();
        Ok(Self {
            include: some(include).map_err(InvalidFilter::Include)?,
            exclude: some(exclude).map_err(InvalidFilter::Exclude)?,
        })
    }

    pub(super) fn sort(&self, path: &[u8], included: &Matched, excluded: &Matched) -> Sorted {
        let mut sorted = Sorted {
            is_told: true,
            may_hold: true,
            included: Matched::default(),
            excluded: Matched::default(),
        };
        if let Some(include) = &self.include {
            let (is_included, its) = include.matches(path, included);
            sorted.included = its;
            if !is_included {
                sorted.is_told = false;
                sorted.may_hold = include.may_ignore_in(path);
            }
        }
        if let Some(exclude) = &self.exclude {
            let (is_excluded, its) = exclude.matches(path, excluded);
            sorted.excluded = its;
            if is_excluded {
                sorted.is_told = false;
                sorted.may_hold &= exclude.may_keep_in(path);
            }
        }
        sorted
    }
}
