//! `--provenance`, `--sbom` and `--attest type=provenance|sbom,…`.

use std::str::FromStr;

use super::csv::{self, InvalidCsv};

/// What `--sbom=true` scans with, as buildx has it.
const SCANNER: &str = "docker/buildkit-syft-scanner:stable-1";

/// As the wire has it; none is off.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Provenance(pub(crate) Option<String>);

/// The scanner's image; none is off.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sbom(pub(crate) Option<String>);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Attest {
    Provenance(Provenance),
    Sbom(Sbom),
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidAttest {
    #[error(transparent)]
    Csv(#[from] InvalidCsv),
    #[error("it has no type: write type=provenance or type=sbom")]
    NoType,
    #[error("type={kind} is none: write provenance or sbom")]
    UnknownType { kind: String },
    #[error(
        "{key} is nothing that provenance has: write true, false, mode=min|max, builder-id=…, reproducible=… or inline-only=…"
    )]
    UnknownProvenance { key: String },
    #[error("mode={mode} is none: write min or max")]
    UnknownMode { mode: String },
    #[error("{key} is nothing that an sbom has: write true, false or generator=IMAGE")]
    UnknownSbom { key: String },
}

impl FromStr for Provenance {
    type Err = InvalidAttest;

    fn from_str(text: &str) -> Result<Self, InvalidAttest> {
        match switch(text) {
            Some(true) => Ok(Self(Some("mode=min".to_owned()))),
            Some(false) => Ok(Self(None)),
            None => provenance(csv::pairs(csv::fields(text)?)?),
        }
    }
}

impl FromStr for Sbom {
    type Err = InvalidAttest;

    fn from_str(text: &str) -> Result<Self, InvalidAttest> {
        match switch(text) {
            Some(true) => Ok(Self(Some(SCANNER.to_owned()))),
            Some(false) => Ok(Self(None)),
            None => sbom(csv::pairs(csv::fields(text)?)?),
        }
    }
}

impl FromStr for Attest {
    type Err = InvalidAttest;

    fn from_str(text: &str) -> Result<Self, InvalidAttest> {
        let mut pairs = csv::pairs(csv::fields(text)?)?;
        let index = pairs.iter().position(|(key, _)| key == "type");
        let kind = pairs.remove(index.ok_or(InvalidAttest::NoType)?).1;
        match kind.as_str() {
            "provenance" => provenance(pairs).map(Self::Provenance),
            "sbom" => sbom(pairs).map(Self::Sbom),
            _ => Err(InvalidAttest::UnknownType { kind }),
        }
    }
}

fn switch(text: &str) -> Option<bool> {
    match text {
        "true" | "1" => Some(true),
        "false" | "0" => Some(false),
        _ => None,
    }
}

/// Buildx's `disabled`, out of the pairs.
fn is_disabled(pairs: &mut Vec<(String, String)>) -> bool {
    match pairs.iter().position(|(key, _)| key == "disabled") {
        Some(index) => switch(&pairs.remove(index).1) == Some(true),
        None => false,
    }
}

fn provenance(mut pairs: Vec<(String, String)>) -> Result<Provenance, InvalidAttest> {
    if is_disabled(&mut pairs) {
        return Ok(Provenance(None));
    }
    if !pairs.iter().any(|(key, _)| key == "mode") {
        pairs.insert(0, ("mode".to_owned(), "min".to_owned()));
    }
    let mut words = Vec::new();
    for (key, value) in pairs {
        match (key.as_str(), value.as_str()) {
            ("mode", "min" | "max") | ("builder-id" | "reproducible" | "inline-only", _) => {}
            ("mode", _) => return Err(InvalidAttest::UnknownMode { mode: value }),
            _ => return Err(InvalidAttest::UnknownProvenance { key }),
        }
        words.push(format!("{key}={value}"));
    }
    Ok(Provenance(Some(words.join(","))))
}

fn sbom(mut pairs: Vec<(String, String)>) -> Result<Sbom, InvalidAttest> {
    if is_disabled(&mut pairs) {
        return Ok(Sbom(None));
    }
    let mut scanner = SCANNER.to_owned();
    for (key, value) in pairs {
        match key.as_str() {
            "generator" if !value.is_empty() => scanner = value,
            _ => return Err(InvalidAttest::UnknownSbom { key }),
        }
    }
    Ok(Sbom(Some(scanner)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn provenance_on_and_off() {
        let check = |text: &str, expected: Option<&str>| {
            let expected = Ok(Provenance(expected.map(str::to_owned)));
            assert_eq!(text.parse(), expected, "{text}");
        };
        check("true", Some("mode=min"));
        check("false", None);
        check("mode=max", Some("mode=max"));
        check("reproducible=true", Some("mode=min,reproducible=true"));
        let told = "mode=most".parse::<Provenance>().unwrap_err();
        assert_eq!(told, InvalidAttest::UnknownMode { mode: "most".to_owned() });
        assert!("perhaps".parse::<Provenance>().is_err());
        assert!("depth=1".parse::<Provenance>().is_err());
    }

    #[test]
    fn sboms_and_attests() {
        let check = |text: &str, expected| assert_eq!(text.parse(), Ok(expected), "{text}");
        check("type=sbom", Attest::Sbom(Sbom(Some(SCANNER.to_owned()))));
        check("type=sbom,generator=a/b", Attest::Sbom(Sbom(Some("a/b".to_owned()))));
        check("type=sbom,disabled=true", Attest::Sbom(Sbom(None)));
        check(
            "type=provenance,mode=max",
            Attest::Provenance(Provenance(Some("mode=max".to_owned()))),
        );
        assert_eq!("true".parse(), Ok(Sbom(Some(SCANNER.to_owned()))));
        assert_eq!("mode=max".parse::<Attest>(), Err(InvalidAttest::NoType));
        assert!("type=x".parse::<Attest>().is_err());
        assert!("type=sbom,mode=1".parse::<Attest>().is_err());
    }
}
