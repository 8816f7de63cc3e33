//! HTTP/2 frames, gRPC messages and protobuf fields, as honest or as wrong as a test wants them.

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const PRIORITY: u8 = 2;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PUSH_PROMISE: u8 = 5;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;

pub(crate) const END_STREAM: u8 = 1;
pub(crate) const ACK: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;
pub(crate) const PADDED: u8 = 8;

/// One frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
    /// The length that its header tells, if it is not the payload's.
    pub(crate) claim: Option<u32>,
}

impl Frame {
    pub(crate) fn new(kind: u8, flags: u8, stream: u32, payload: impl Into<Vec<u8>>) -> Self {
        Self { kind, flags, stream, payload: payload.into(), claim: None }
    }

    pub(crate) fn encode(&self, bytes: &mut Vec<u8>) {
        let length = u32::try_from(self.payload.len()).expect("a frame of a test");
        bytes.extend_from_slice(&self.claim.unwrap_or(length).to_be_bytes()[1..]);
        bytes.extend_from_slice(&[self.kind, self.flags]);
        bytes.extend_from_slice(&self.stream.to_be_bytes());
        bytes.extend_from_slice(&self.payload);
    }

    /// Of a whole frame.
    pub(crate) fn decode(bytes: &[u8]) -> Self {
        let (header, payload) = bytes.split_at(9);
        let stream = u32::from_be_bytes([header[5], header[6], header[7], header[8]]);
        Self::new(header[3], header[4], stream, payload)
    }
}

/// Header fields, each spelt out.
pub(crate) fn fields(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            prefixed(&mut block, text.len());
            block.extend_from_slice(text.as_bytes());
        }
    }
    block
}

/// A length with a prefix of seven bits.
fn prefixed(block: &mut Vec<u8>, length: usize) {
    if length < 0x7f {
        block.push(u8::try_from(length).expect("seven bits"));
    } else {
        block.push(0x7f);
        block.extend(varint((length - 0x7f) as u64));
    }
}

/// A gRPC message: not compressed, and its true length.
pub(crate) fn message(body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).expect("a message of a test");
    [&[0], &length.to_be_bytes()[..], body].concat()
}

pub(crate) fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(u8::try_from(value & 0x7f).expect("seven bits") | 0x80);
        value >>= 7;
    }
    bytes.push(u8::try_from(value).expect("seven bits"));
    bytes
}

/// A protobuf field of a number; negative ones are sign-extended, as `int32` is.
pub(crate) fn number(field: u32, value: i64) -> Vec<u8> {
    [varint(u64::from(field) << 3), varint(value.cast_unsigned())].concat()
}

/// A protobuf field of bytes, text or a message.
pub(crate) fn bytes(field: u32, value: &[u8]) -> Vec<u8> {
    [&varint(u64::from(field) << 3 | 2)[..], &varint(value.len() as u64), value].concat()
}
