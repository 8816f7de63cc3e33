//! What the engine is to say of the result.

use super::{
    image::reference,
    text::{shown, value},
};
use crate::api::field::InvalidField;

const MODES: [&str; 2] = ["min", "max"];
/// Where `--sbom=true` finds one, as buildx has it.
const SCANNER: &str = "docker/buildkit-syft-scanner:stable-1";
const MOST_ID_BYTES: usize = 1024;

/// As buildx takes it: `true`, or rows of `NAME=VALUE`.
pub(super) fn provenance(text: &str) -> Result<Option<String>, InvalidField> {
    let at = "spec.build.provenance";
    match text {
        "" | "false" => return Ok(None),
        "true" => return Ok(Some(text.to_owned())),
        _ => {}
    }
    let mut names = Vec::new();
    for pair in text.split(',') {
        let Some((name, value)) = pair.split_once('=') else {
            let problem = format!("{} is none of: true, false, mode=min, mode=max, …", shown(text));
            return Err(InvalidField::new(at, problem));
        };
        self::value(at, value)?;
        let is_right = match name {
            "mode" => MODES.contains(&value),
            "inline-only" | "reproducible" => matches!(value, "true" | "false"),
            "builder-id" => {
                (1..=MOST_ID_BYTES).contains(&value.len())
                    && !value.chars().any(|c| c.is_control() || c.is_whitespace() || c == '"')
            }
            _ => {
                let problem = format!(
                    "{} is none of: mode, builder-id, inline-only, reproducible",
                    shown(name)
                );
                return Err(InvalidField::new(at, problem));
            }
        };
        if !is_right {
            let problem = format!("{} is no value of {name}", shown(value));
            return Err(InvalidField::new(at, problem));
        }
        if names.contains(&name) {
            return Err(InvalidField::new(at, format!("{name} stands twice")));
        }
        names.push(name);
    }
    Ok(Some(text.to_owned()))
}

/// The scanner's image, in full.
pub(super) fn sbom(text: &str) -> Result<Option<String>, InvalidField> {
    let image = match text {
        "" | "false" => return Ok(None),
        "true" => SCANNER,
        _ => text.strip_prefix("generator=").unwrap_or(text),
    };
    let scanner = reference("spec.build.sbom", image)?;
    Ok(Some(scanner.to_string()))
}
