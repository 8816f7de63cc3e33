//! Questions as the wire has them.

/// One question, or something like one.
pub(crate) fn question(flags: u16, count: u16, name: &[u8], kind: u16, class: u16) -> Vec<u8> {
    let mut message = vec![0x6b, 0x69];
    for word in [flags, count, 0, 0, 0] {
        message.extend(word.to_be_bytes());
    }
    message.extend(name);
    message.extend(kind.to_be_bytes());
    message.extend(class.to_be_bytes());
    message
}

pub(crate) fn name(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for label in text.split('.') {
        bytes.push(u8::try_from(label.len()).unwrap_or(63));
        bytes.extend(label.as_bytes());
    }
    bytes.push(0);
    bytes
}
