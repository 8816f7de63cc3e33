//! What stands behind the `?` of a request, and percent signs.

/// In the order of the request; a name may come more than once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query(Vec<(String, String)>);

impl Query {
    pub fn parse(text: Option<&str>) -> Self {
        let pairs = text.unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
        let decoded = pairs.map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(name), decode(value))
        });
        Self(decoded.collect())
    }

    pub fn first(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    pub fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(other, _)| other == name).map(|(_, value)| value.as_str())
    }
}

/// A `%` that starts no pair of digits stands for itself, and so does `+`: nothing that is asked of a
/// registry has spaces, but media types have pluses.
pub fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, others @ ..] = rest {
        let pair = match others {
            [high, low, ..] if *first == b'%' => digit(*high).zip(digit(*low)),
            _ => None,
        };
        let (byte, taken) = pair.map_or((*first, 1), |(high, low)| (high << 4 | low, 3));
        bytes.push(byte);
        rest = &rest[taken..];
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| digit.try_into().ok())
}

/// As a value of a query.
pub fn encode(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/:".contains(&byte);
    let encoded = text.bytes().map(|byte| match byte {
        _ if plain(byte) => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    });
    encoded.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_decoded() {
        let query = Query::parse(Some("digest=sha256%3Aab&from=a%2Fb&mount&tag=1&tag=2&%6e=%zz%"));
        assert_eq!(query.first("digest"), Some("sha256:ab"));
        assert_eq!(query.first("from"), Some("a/b"));
        assert_eq!(query.first("mount"), Some(""));
        assert_eq!(query.all("tag").collect::<Vec<_>>(), ["1", "2"]);
        assert_eq!(query.first("n"), Some("%zz%"));
        assert_eq!(query.first("none"), None);
        assert_eq!(Query::parse(None), Query::default());
    }

    #[test]
    fn pluses_of_media_types_stay() {
        let query = Query::parse(Some("artifactType=application/vnd.example+json"));
        assert_eq!(query.first("artifactType"), Some("application/vnd.example+json"));
    }

    #[test]
    fn what_is_encoded_decodes_to_itself() {
        for text in ["", "v1.0", "a b&c=d%", "ä\n\"<>"] {
            assert_eq!(decode(&encode(text)), text);
        }
    }
}
