//! Images as options name them.

use std::error::Error as _;

use kiln_registry::operate::Reference;

use super::text::shown;
use crate::api::field::InvalidField;

pub(super) fn reference(field: &str, text: &str) -> Result<Reference, InvalidField> {
    text.parse::<Reference>().map_err(|error| {
        let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
        InvalidField::new(field, format!("{}: {error}{cause}", shown(text)))
    })
}

/// What something is to be called: by a tag.
pub(super) fn name(field: &str, text: &str) -> Result<Reference, InvalidField> {
    let reference = reference(field, text)?;
    if reference.digest.is_some() {
        let problem = format!("{} has a digest, which is not given but found", shown(text));
        return Err(InvalidField::new(field, problem));
    }
    Ok(reference)
}
