//! What a guest may reach, and what of it an operator grants. Pure.

mod ceiling;
mod decision;
mod endpoint;
mod parse;
mod pattern;
mod rule;
#[cfg(test)]
pub(crate) mod samples;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

pub use self::{
    ceiling::{BeyondCeiling, Ceiling},
    decision::{Decision, Opening, Ports},
    endpoint::{Endpoint, EndpointFlag, InvalidEndpoint},
    parse::{InvalidPolicy, MAX_RULES, MAX_TEXT_BYTES},
    pattern::Pattern,
    rule::{InvalidRule, Protocol, Rule},
};
use crate::plan::Reach;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Policy {
    /// Nothing, and no name is answered.
    #[default]
    None,
    /// What one of the rules names.
    Allow(Vec<Rule>),
    /// Whatever has a name, over TCP through resolver and splice as `Allow` has it, so that what was
    /// seen can be allowed by its name.
    Record,
    /// Everything but what is always dropped.
    Internet,
}

impl Policy {
    /// What the kernel lets through.
    pub fn reach(&self) -> Reach {
        match self {
            Self::None => Reach::Closed,
            Self::Allow(_) | Self::Record => Reach::Admitted,
            Self::Internet => Reach::Internet,
        }
    }

    /// As it is written.
    pub fn mode(&self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Allow(_) => "allow",
            Self::Record => "record",
            Self::Internet => "internet",
        }
    }

    /// None but of `Allow`.
    pub fn rules(&self) -> &[Rule] {
        match self {
            Self::Allow(rules) => rules,
            Self::None | Self::Record | Self::Internet => &[],
        }
    }
}
