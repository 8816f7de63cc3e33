//! Names and patterns in a call's metadata.

use tonic::{
    Status,
    metadata::{AsciiMetadataValue, MetadataMap},
};

/// What `key` stands there with, unpacked where it was packed for names that are not ASCII.
pub(super) fn values(metadata: &MetadataMap, key: &str) -> Result<Vec<Vec<u8>>, Status> {
    let packed = metadata
        .get(format!("{key}-encoded"))
        .is_some_and(|flag| ["1", "t", "T", "true", "TRUE", "True"].iter().any(|yes| flag == yes));
    let values = metadata.get_all(key).iter().map(AsciiMetadataValue::as_encoded_bytes);
    if !packed {
        return Ok(values.map(<[u8]>::to_vec).collect());
    }
    let unpacked = |value: &[u8]| {
        unescape(value).ok_or_else(|| {
            let value = String::from_utf8_lossy(value);
            Status::invalid_argument(format!("{key} is packed wrongly: {value:?}"))
        })
    };
    values.map(unpacked).collect()
}

/// As in the query of an address.
fn unescape(value: &[u8]) -> Option<Vec<u8>> {
    let mut plain = Vec::with_capacity(value.len());
    let mut rest = value;
    while let Some((&byte, behind)) = rest.split_first() {
        rest = behind;
        plain.push(match byte {
            b'+' => b' ',
            b'%' => {
                let (digits, behind) = rest.split_at_checked(2)?;
                rest = behind;
                let digit = |byte: u8| char::from(byte).to_digit(16);
                u8::try_from(digit(digits[0])? << 4 | digit(digits[1])?).ok()?
            }
            byte => byte,
        });
    }
    Some(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_comes_out() {
        let mut metadata = MetadataMap::new();
        for value in ["a+b", "%C3%A4%2F%2b"] {
            metadata.append("followpaths", value.parse().unwrap());
        }
        let plain = vec![b"a+b".to_vec(), b"%C3%A4%2F%2b".to_vec()];
        assert_eq!(values(&metadata, "followpaths").unwrap(), plain);
        metadata.insert("followpaths-encoded", "1".parse().unwrap());
        let unpacked = vec![b"a b".to_vec(), "ä/+".as_bytes().to_vec()];
        assert_eq!(values(&metadata, "followpaths").unwrap(), unpacked);
        assert!(values(&metadata, "dir-name").unwrap().is_empty());
        for wrong in ["%", "%1", "%1g", "a%"] {
            metadata.insert("followpaths", wrong.parse().unwrap());
            assert!(values(&metadata, "followpaths").is_err(), "{wrong}");
        }
    }
}
