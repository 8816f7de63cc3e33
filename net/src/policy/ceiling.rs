//! The widest policy that a job may have on a host.

use super::{Endpoint, Policy, Protocol, Rule};
use crate::plan::Reach;

/// Of the operator's; no tenant can lift it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ceiling {
    pub widest: Policy,
    /// The operator opened these by name, so a rule that names one is covered.
    pub endpoints: Vec<Endpoint>,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BeyondCeiling {
    #[error(
        "{rule} is beyond what this host allows ({ceiling}); leave it out, or ask the operator"
    )]
    Rule { rule: Rule, ceiling: String },
    #[error("`{asked}` is beyond what this host allows ({ceiling}); ask for less, or the operator")]
    Mode { asked: &'static str, ceiling: String },
}

/// How many rules of a ceiling are told.
const SHOWN: usize = 5;

impl Ceiling {
    /// Whether it lets through whatever `policy` does.
    pub fn covers(&self, policy: &Policy) -> Result<(), BeyondCeiling> {
        let mode = || BeyondCeiling::Mode { asked: policy.mode(), ceiling: self.in_words() };
        match (&self.widest, policy) {
            (_, Policy::None) | (Policy::Internet, _) | (Policy::Record, Policy::Record) => Ok(()),
            (_, Policy::Allow(rules)) => match rules.iter().find(|rule| !self.covers_rule(rule)) {
                Some(rule) => {
                    Err(BeyondCeiling::Rule { rule: rule.clone(), ceiling: self.in_words() })
                }
                None => Ok(()),
            },
            (_, Policy::Record | Policy::Internet) => Err(mode()),
        }
    }

    /// What the kernel may be asked for at most. An endpoint is reached through the gateway, which
    /// has to be reached itself.
    pub fn reach(&self) -> Reach {
        let least = if self.endpoints.is_empty() { Reach::Closed } else { Reach::Admitted };
        self.widest.reach().max(least)
    }

    /// Short, however many rules it has.
    pub fn in_words(&self) -> String {
        let rules = self.widest.rules();
        if rules.is_empty() {
            return format!("`{}`", self.widest.mode());
        }
        let shown: Vec<_> = rules.iter().take(SHOWN).map(Rule::to_string).collect();
        let more = rules.len() - shown.len();
        let more = if more == 0 { String::new() } else { format!(" and {more} more") };
        format!("`allow={}`{more}", shown.join(","))
    }

    fn covers_rule(&self, rule: &Rule) -> bool {
        let by_policy = match &self.widest {
            Policy::None => false,
            Policy::Allow(own) => own.iter().any(|one| one.covers(rule)),
            Policy::Record => rule.protocol != Protocol::Udp,
            Policy::Internet => true,
        };
        by_policy || self.endpoints.iter().any(|endpoint| names(rule, endpoint))
    }
}

/// It and nothing else.
fn names(rule: &Rule, endpoint: &Endpoint) -> bool {
    let Endpoint { name, port } = endpoint;
    let is_exact = rule.pattern == super::Pattern::Exact(name.clone());
    is_exact && rule.port == *port && rule.protocol != Protocol::Udp
}
