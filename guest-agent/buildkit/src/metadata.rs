//! What the engine says of an export, as `--metadata-file` has it.

use std::collections::HashMap;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Map, Value};

/// Descriptors come as packed JSON, and stand there as objects.
pub(crate) fn json(response: HashMap<String, String>) -> String {
    if response.is_empty() {
        return String::new();
    }
    let unpacked = |value: &str| match serde_json::from_slice(&STANDARD.decode(value).ok()?) {
        Ok(Value::Object(object)) if !object.is_empty() => Some(Value::Object(object)),
        _ => None,
    };
    let all: Map<String, Value> = response
        .into_iter()
        .map(|(name, value)| {
            let value = unpacked(&value).unwrap_or(Value::String(value));
            (name, value)
        })
        .collect();
    Value::Object(all).to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::json as value;

    use super::*;

    #[test]
    fn descriptors_are_objects_and_all_else_is_text() {
        // {"mediaType":"a"}, {}, [1]
        let response = [
            ("containerimage.descriptor", "eyJtZWRpYVR5cGUiOiJhIn0="),
            ("empty", "e30="),
            ("list", "WzFd"),
            ("image.name", "docker.io/local/a:1"),
            ("even", "abcd"),
        ];
        let response = response.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let read: Value = serde_json::from_str(&json(HashMap::from(response))).unwrap();
        let expected = value!({
            "containerimage.descriptor": {"mediaType": "a"},
            "empty": "e30=",
            "list": "WzFd",
            "image.name": "docker.io/local/a:1",
            "even": "abcd",
        });
        assert_eq!(read, expected);
        assert_eq!(json(HashMap::new()), "");
    }
}
