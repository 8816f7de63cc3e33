//! Build arguments, labels and annotations: what has a name and a value.

use kiln_proto::v1;

use super::{
    platform::platform,
    text::{at_most, once, shown, value},
};
use crate::api::field::InvalidField;

const MOST: usize = 512;
const MOST_KEY_BYTES: usize = 512;
/// Where an annotation goes.
const PLACES: [&str; 4] = ["manifest", "index", "manifest-descriptor", "index-descriptor"];

type Pairs = Vec<(String, String)>;

pub(super) fn build_args(wire: Vec<v1::KeyValue>) -> Result<Pairs, InvalidField> {
    pairs("spec.build.build_args", wire, key)
}

pub(super) fn labels(wire: Vec<v1::KeyValue>) -> Result<Pairs, InvalidField> {
    pairs("spec.build.labels", wire, key)
}

pub(super) fn annotations(wire: Vec<v1::KeyValue>) -> Result<Pairs, InvalidField> {
    pairs("spec.build.annotations", wire, annotation)
}

fn pairs(
    at: &str,
    wire: Vec<v1::KeyValue>,
    check: impl Fn(&str, &str) -> Result<(), InvalidField>,
) -> Result<Pairs, InvalidField> {
    at_most(at, wire.len(), MOST)?;
    let mut pairs = Pairs::with_capacity(wire.len());
    let mut keys = Vec::with_capacity(wire.len());
    for (index, v1::KeyValue { key, value }) in wire.into_iter().enumerate() {
        let field = format!("{at}[{index}].key");
        check(&field, &key)?;
        once(&field, &key, &keys)?;
        self::value(&format!("{at}[{index}].value"), &value)?;
        keys.push(key.clone());
        pairs.push((key, value));
    }
    Ok(pairs)
}

/// What `KEY=VALUE` has before its first `=`.
fn key(field: &str, key: &str) -> Result<(), InvalidField> {
    let problem = match key {
        "" => "is empty".to_owned(),
        _ if key.len() > MOST_KEY_BYTES => format!("is above {MOST_KEY_BYTES} bytes"),
        _ if key.contains('=') => format!("{} contains `=`, where its value begins", shown(key)),
        _ if key.chars().any(|c| c.is_control() || c.is_whitespace()) => {
            format!("{} contains blanks or control characters", shown(key))
        }
        _ => return Ok(()),
    };
    Err(InvalidField::new(field, problem))
}

/// `[TYPE[PLATFORM][,…]:]KEY`
fn annotation(field: &str, text: &str) -> Result<(), InvalidField> {
    key(field, text)?;
    let Some((places, name)) = text.split_once(':') else { return Ok(()) };
    if name.is_empty() {
        return Err(InvalidField::new(field, format!("{} has no key behind `:`", shown(text))));
    }
    for place in places.split(',') {
        let (place, of) = match place.split_once('[') {
            Some((place, rest)) => (place, Some(rest)),
            None => (place, None),
        };
        if !PLACES.contains(&place) {
            let problem = format!("{} is none of: {}", shown(place), PLACES.join(", "));
            return Err(InvalidField::new(field, problem));
        }
        let Some(of) = of else { continue };
        let Some(of) = of.strip_suffix(']') else {
            return Err(InvalidField::new(field, format!("{} lacks its `]`", shown(text))));
        };
        platform(field, of)?;
    }
    Ok(())
}
