//! A manifest as careless readers have it: fields by any case of their letters, and of one that is
//! there twice the last or the first. What such a reader finds is what the strict one said, or the
//! strict one has refused it.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::Value;

/// Which of two is meant.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Taken {
    First,
    Last,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub media_type: String,
    /// Of config, layers and manifests.
    pub digests: [Vec<String>; 3],
    pub sizes: Vec<u64>,
}

/// None: not even this reader finds an object.
pub(crate) fn read(bytes: &[u8], taken: Taken) -> Option<Seen> {
    let fields: Fields = serde_json::from_slice(bytes).ok()?;
    let one = |name: &str| match fields.field(name, taken) {
        Some(value) if !value.is_null() => vec![value.clone()],
        _ => Vec::new(),
    };
    let many = |name: &str| match fields.field(name, taken) {
        Some(Value::Array(items)) => items.clone(),
        _ => Vec::new(),
    };
    let parts = [one("config"), many("layers"), many("manifests")];
    let text = |value: &Value, name: &str| {
        let found = folded(value.as_object()?.iter(), name, taken)?;
        Some(found.as_str()?.to_owned())
    };
    let size = |value: &Value| folded(value.as_object()?.iter(), "size", taken)?.as_u64();
    let sizes = parts.iter().flatten().filter_map(size).collect();
    let digests =
        |parts: &Vec<Value>| parts.iter().filter_map(|part| text(part, "digest")).collect();
    let media_type = fields.field("mediaType", taken).and_then(Value::as_str).unwrap_or_default();
    let digests = [digests(&parts[0]), digests(&parts[1]), digests(&parts[2])];
    Some(Seen { media_type: media_type.to_owned(), digests, sizes })
}

/// An object's, with those that are there twice.
struct Fields(Vec<(String, Value)>);

impl Fields {
    fn field(&self, name: &str, taken: Taken) -> Option<&Value> {
        folded(self.0.iter().map(|(key, value)| (key, value)), name, taken)
    }
}

fn folded<'a>(
    fields: impl DoubleEndedIterator<Item = (&'a String, &'a Value)>,
    name: &str,
    taken: Taken,
) -> Option<&'a Value> {
    let mut named =
        fields.filter(|(key, _)| key.to_lowercase().replace('ſ', "s") == name.to_lowercase());
    let found = match taken {
        Taken::First => named.next(),
        Taken::Last => named.next_back(),
    };
    found.map(|(_, value)| value)
}

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct All;

        impl<'de> Visitor<'de> for All {
            type Value = Fields;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Fields, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = entries.next_entry()? {
                    fields.push(field);
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(All)
    }
}
