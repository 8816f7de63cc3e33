//! `KEY=VALUE,…` as buildx reads it: one record of CSV, with quotes around what has commas in it.

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidCsv {
    #[error(
        "a quote stands inside of {field:?}: put quotes around the whole field, and two for one"
    )]
    BareQuote { field: String },
    #[error("a quoted field has no end: close it with a second quote")]
    OpenQuote,
    #[error("something follows the closing quote of {field:?}: a comma must")]
    AfterQuote { field: String },
    #[error("{field:?} is no KEY=VALUE")]
    NoPair { field: String },
    #[error("{key} stands twice")]
    Twice { key: String },
}

/// At least one, for the empty text has one that is empty.
pub(crate) fn fields(text: &str) -> Result<Vec<String>, InvalidCsv> {
    let mut fields = Vec::new();
    let mut rest = text;
    loop {
        let (field, after) = match rest.strip_prefix('"') {
            Some(quoted) => self::quoted(quoted)?,
            None => bare(rest)?,
        };
        fields.push(field);
        match after {
            Some(after) => rest = after,
            None => return Ok(fields),
        }
    }
}

/// With keys in small letters, each once.
pub(crate) fn pairs(fields: Vec<String>) -> Result<Vec<(String, String)>, InvalidCsv> {
    let mut pairs: Vec<(String, String)> = Vec::new();
    for field in fields {
        let Some((key, value)) = field.split_once('=') else {
            return Err(InvalidCsv::NoPair { field });
        };
        let key = key.trim().to_ascii_lowercase();
        if pairs.iter().any(|(known, _)| *known == key) {
            return Err(InvalidCsv::Twice { key });
        }
        pairs.push((key, value.to_owned()));
    }
    Ok(pairs)
}

fn bare(text: &str) -> Result<(String, Option<&str>), InvalidCsv> {
    let (field, after) = match text.split_once(',') {
        Some((field, after)) => (field, Some(after)),
        None => (text, None),
    };
    if field.contains('"') {
        return Err(InvalidCsv::BareQuote { field: field.to_owned() });
    }
    Ok((field.to_owned(), after))
}

fn quoted(text: &str) -> Result<(String, Option<&str>), InvalidCsv> {
    let mut field = String::new();
    let mut rest = text;
    loop {
        let (part, after) = rest.split_once('"').ok_or(InvalidCsv::OpenQuote)?;
        field.push_str(part);
        match (after.strip_prefix('"'), after.strip_prefix(',')) {
            (Some(after), _) => {
                field.push('"');
                rest = after;
            }
            (None, Some(after)) => return Ok((field, Some(after))),
            (None, None) if after.is_empty() => return Ok((field, None)),
            (None, None) => return Err(InvalidCsv::AfterQuote { field }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commas_and_quotes() {
        let check = |text: &str, expected: &[&str]| {
            assert_eq!(fields(text).unwrap(), expected, "{text}");
        };
        check("", &[""]);
        check("a", &["a"]);
        check("type=local,dest=out", &["type=local", "dest=out"]);
        check("\"dest=a,b\",type=local", &["dest=a,b", "type=local"]);
        check("\"a\"\"b\"", &["a\"b"]);
        check("a,,b,", &["a", "", "b", ""]);
        check("\"a\nb\"", &["a\nb"]);
    }

    #[test]
    fn broken_quotes_are_refused() {
        let check = |text: &str, expected| assert_eq!(fields(text), Err(expected), "{text}");
        check("a\"b", InvalidCsv::BareQuote { field: "a\"b".to_owned() });
        check("\"a", InvalidCsv::OpenQuote);
        check("\"a\"b", InvalidCsv::AfterQuote { field: "a".to_owned() });
    }

    #[test]
    fn pairs_have_small_keys_each_once() {
        let check = |text: &str, expected: Result<&[(&str, &str)], InvalidCsv>| {
            let expected = expected.map(|pairs| {
                pairs.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect()
            });
            assert_eq!(pairs(fields(text).unwrap()), expected, "{text}");
        };
        check("Type=a=b, DEST=c", Ok(&[("type", "a=b"), ("dest", "c")]));
        check("type", Err(InvalidCsv::NoPair { field: "type".to_owned() }));
        check("a=1,A=2", Err(InvalidCsv::Twice { key: "a".to_owned() }));
    }
}
