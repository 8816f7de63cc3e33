//! Names of projects.

use crate::api::field::InvalidField;

const DEFAULT_PROJECT: &str = "default";

/// The project that a new object goes to.
pub(in crate::api) fn project(name: &str) -> Result<String, InvalidField> {
    Ok(listed_project(name)?.unwrap_or_else(|| DEFAULT_PROJECT.to_owned()))
}

/// The project that a listing asks for; `None` means every one.
pub(in crate::api) fn listed_project(name: &str) -> Result<Option<String>, InvalidField> {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let well_formed = name.len() <= 63
        && name.bytes().all(allowed)
        && !name.starts_with('-')
        && !name.ends_with('-');
    match name {
        "" => Ok(None),
        _ if well_formed => Ok(Some(name.to_owned())),
        _ => Err(InvalidField::new(
            "project",
            "must be 1 to 63 lower-case letters, digits and dashes, and neither begin nor end with a dash",
        )),
    }
}
