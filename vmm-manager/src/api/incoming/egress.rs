//! What the guest may reach.

use kiln_net::policy::{InvalidPolicy, Policy};
use kiln_proto::v1;

use crate::api::field::InvalidField;

pub(super) fn egress(wire: Option<v1::Egress>) -> Result<Policy, InvalidField> {
    let v1::Egress { mode, rules } = wire.unwrap_or_default();
    let mode = v1::EgressMode::try_from(mode)
        .map_err(|_| InvalidField::new("spec.egress.mode", format!("{mode} is none")))?;
    let policy = match mode {
        v1::EgressMode::Unspecified | v1::EgressMode::None => Policy::None,
        v1::EgressMode::Record => Policy::Record,
        v1::EgressMode::Internet => Policy::Internet,
        v1::EgressMode::Allow => return Policy::allow(rules).map_err(|error| rule(&error)),
    };
    if !rules.is_empty() {
        let problem = format!("go with the mode ALLOW alone, and this is `{}`", policy.mode());
        return Err(InvalidField::new("spec.egress.rules", problem));
    }
    Ok(policy)
}

fn rule(error: &InvalidPolicy) -> InvalidField {
    let field = match error {
        InvalidPolicy::Rule { number, .. } | InvalidPolicy::Duplicate { number, .. } => {
            format!("spec.egress.rules[{}]", number - 1)
        }
        InvalidPolicy::Unknown(_)
        | InvalidPolicy::NoRules
        | InvalidPolicy::TooMany
        | InvalidPolicy::TooLong => "spec.egress.rules".to_owned(),
    };
    InvalidField::new(field, error.in_words())
}
