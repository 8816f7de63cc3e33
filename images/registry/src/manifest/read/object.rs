//! A JSON object whose fields are read by their exact names.

use serde_json::{Map, Value};

use super::super::{InvalidManifest, Wrong, media};

pub(super) struct Object<'a> {
    /// Where it is: `layers[3]`; empty for the document.
    at: String,
    map: &'a Map<String, Value>,
}

impl<'a> Object<'a> {
    /// Many readers take `Layers` for `layers`: no object has a field that some see and others don't.
    pub(super) fn new(
        at: String,
        map: &'a Map<String, Value>,
        known: &'static [&'static str],
    ) -> Result<Self, InvalidManifest> {
        for key in map.keys() {
            let folded = || known.iter().find(|field| is_folded(key, field));
            if let Some(field) = (!known.contains(&key.as_str())).then(folded).flatten() {
                let at = if at.is_empty() { "the manifest".to_owned() } else { at };
                return Err(InvalidManifest::Folded { at, field });
            }
        }
        Ok(Self { at, map })
    }

    pub(super) fn at(&self, field: &str) -> String {
        if self.at.is_empty() { field.to_owned() } else { format!("{}.{field}", self.at) }
    }

    pub(super) fn wrong(&self, field: &str, wrong: Wrong) -> InvalidManifest {
        InvalidManifest::Field { at: self.at(field), wrong }
    }

    fn not(&self, field: &str, expected: &'static str) -> InvalidManifest {
        self.wrong(field, Wrong::Not { expected })
    }

    pub(super) fn has(&self, field: &str) -> bool {
        self.map.contains_key(field)
    }

    /// `null` is none.
    pub(super) fn field(&self, field: &str) -> Option<&'a Value> {
        self.map.get(field).filter(|value| !value.is_null())
    }

    /// Empty text is none.
    pub(super) fn text(&self, field: &str, most: usize) -> Result<Option<String>, InvalidManifest> {
        let Some(value) = self.field(field) else { return Ok(None) };
        let text = text(value, most).map_err(|wrong| self.wrong(field, wrong))?;
        Ok((!text.is_empty()).then(|| text.to_owned()))
    }

    pub(super) fn media_type(&self, field: &str) -> Result<Option<String>, InvalidManifest> {
        match self.text(field, 4096)? {
            Some(text) if !media::is_valid(&text) => Err(self.not(field, "a media type")),
            text => Ok(text),
        }
    }

    pub(super) fn map(
        &self,
        field: &str,
    ) -> Result<Option<&'a Map<String, Value>>, InvalidManifest> {
        let Some(value) = self.field(field) else { return Ok(None) };
        value.as_object().map(Some).ok_or_else(|| self.not(field, "an object"))
    }

    pub(super) fn object(
        &self,
        field: &str,
        known: &'static [&'static str],
    ) -> Result<Option<Self>, InvalidManifest> {
        self.map(field)?.map(|map| Self::new(self.at(field), map, known)).transpose()
    }

    pub(super) fn list(&self, field: &str) -> Result<&'a [Value], InvalidManifest> {
        let Some(value) = self.field(field) else { return Ok(&[]) };
        value.as_array().map(Vec::as_slice).ok_or_else(|| self.not(field, "a list"))
    }

    pub(super) fn objects(
        &self,
        field: &str,
        known: &'static [&'static str],
    ) -> Result<Vec<Self>, InvalidManifest> {
        let object = |(index, value): (usize, &'a Value)| {
            let name = format!("{field}[{index}]");
            let map = value.as_object().ok_or_else(|| self.not(&name, "an object"))?;
            Self::new(self.at(&name), map, known)
        };
        self.list(field)?.iter().enumerate().map(object).collect()
    }
}

pub(super) fn text(value: &Value, most: usize) -> Result<&str, Wrong> {
    let text = value.as_str().ok_or(Wrong::Not { expected: "text" })?;
    if text.len() > most { Err(Wrong::TooLong { most }) } else { Ok(text) }
}

/// The same but for the letters' case, as Unicode folds it: `ſ` is an `s` and the Kelvin sign a `k`.
fn is_folded(key: &str, field: &str) -> bool {
    let fold = |letter: char| match letter {
        'ſ' => 's',
        '\u{212a}' => 'k',
        letter => letter.to_ascii_lowercase(),
    };
    key.chars().map(fold).eq(field.chars().map(fold))
}
