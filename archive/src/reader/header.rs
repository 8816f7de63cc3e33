//! One header block. Its fields are taken as strictly as all writers write them, for the readers
//! differ in what else they let pass.

use std::ops::Range;

use super::BLOCK;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) kind: Type,
    /// As it stands here, before what extensions say.
    pub(super) name: Vec<u8>,
    pub(super) link: Vec<u8>,
    pub(super) size: u64,
    pub(super) mode: u32,
    pub(super) mtime: i64,
    pub(super) user: i64,
    pub(super) group: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Type {
    File,
    /// Its map stands in the same block, and behind it.
    Sparse,
    HardLink,
    Symlink,
    Directory,
    CharacterDevice(Numbers),
    BlockDevice(Numbers),
    Fifo,
    Pax,
    GlobalPax,
    LongName,
    LongLink,
}

/// Of a device, major and minor, where they can be read.
pub(super) type Numbers = (Option<u32>, Option<u32>);

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidHeader {
    #[error("its checksum is wrong")]
    Checksum,
    #[error("it is neither POSIX's nor GNU's")]
    Magic,
    #[error("its field `{field}` is no number that all readers agree on")]
    Number { field: &'static str },
    #[error("its unused fields are used")]
    Unused,
    #[error("it is POSIX's, and has a map of holes as only GNU's can")]
    Sparse,
    #[error("members of type {kind:?} are not taken")]
    Unknown { kind: char },
    #[error("a long name is empty or does not end as it should")]
    LongName,
}

/// `ustar`, a zero byte and the version.
const POSIX: &[u8] = b"ustar\x0000";
const GNU: &[u8] = b"ustar  \0";

impl Header {
    pub(super) fn parse(block: &[u8; BLOCK]) -> Result<Self, InvalidHeader> {
        let told = octal(&block[148..156]).ok_or(InvalidHeader::Checksum)?;
        let sum = |bytes: &[u8]| bytes.iter().map(|&byte| u64::from(byte)).sum::<u64>();
        // The field itself counts as blanks.
        if told != sum(&block[..148]) + 8 * u64::from(b' ') + sum(&block[156..]) {
            return Err(InvalidHeader::Checksum);
        }
        let number = |field, bytes: &[u8]| octal(bytes).ok_or(InvalidHeader::Number { field });
        let kind = Type::of(block)?;
        let mut name = text(&block[..100]);
        let is_used = |bytes: &[u8]| bytes.iter().any(|&byte| byte != 0);
        match &block[257..265] {
            POSIX if kind == Type::Sparse => return Err(InvalidHeader::Sparse),
            POSIX if is_used(&block[500..]) => return Err(InvalidHeader::Unused),
            POSIX => {
                let prefix = text(&block[345..500]);
                if !prefix.is_empty() {
                    name = [&prefix[..], b"/", &name[..]].concat();
                }
            }
            // There GNU keeps what only incremental archives need, and others see a prefix.
            GNU if kind == Type::Sparse => {
                if is_used(&block[345..386]) || is_used(&block[495..]) {
                    return Err(InvalidHeader::Unused);
                }
            }
            GNU if is_used(&block[345..]) => return Err(InvalidHeader::Unused),
            GNU => {}
            _ => return Err(InvalidHeader::Magic),
        }
        let signed = |field, range: Range<usize>| {
            signed(&block[range]).ok_or(InvalidHeader::Number { field })
        };
        let size = u64::try_from(signed("size", 124..136)?);
        Ok(Self {
            kind,
            name,
            link: text(&block[157..257]),
            size: size.map_err(|_| InvalidHeader::Number { field: "size" })?,
            mode: u32::try_from(number("mode", &block[100..108])? & 0o7777).unwrap_or_default(),
            mtime: signed("mtime", 136..148)?,
            user: signed("uid", 108..116)?,
            group: signed("gid", 116..124)?,
        })
    }
}

impl Type {
    fn of(block: &[u8; BLOCK]) -> Result<Self, InvalidHeader> {
        let number = |field: &[u8]| signed(field).and_then(|number| u32::try_from(number).ok());
        let numbers = || (number(&block[329..337]), number(&block[337..345]));
        Ok(match block[156] {
            b'0' | 0 | b'7' => Self::File,
            b'1' => Self::HardLink,
            b'2' => Self::Symlink,
            b'3' => Self::CharacterDevice(numbers()),
            b'4' => Self::BlockDevice(numbers()),
            b'5' => Self::Directory,
            b'6' => Self::Fifo,
            b'x' => Self::Pax,
            b'g' => Self::GlobalPax,
            b'L' => Self::LongName,
            b'K' => Self::LongLink,
            b'S' => Self::Sparse,
            other => return Err(InvalidHeader::Unknown { kind: char::from(other) }),
        })
    }
}

/// Up to the first zero byte.
fn text(field: &[u8]) -> Vec<u8> {
    field.iter().copied().take_while(|&byte| byte != 0).collect()
}

/// Blanks, octal digits, then only zero bytes and blanks.
fn octal(field: &[u8]) -> Option<u64> {
    let start = field.iter().position(|&byte| byte != b' ')?;
    let field = &field[start..];
    let end = field.iter().position(|byte| !(b'0'..=b'7').contains(byte)).unwrap_or(field.len());
    let (digits, rest) = field.split_at(end);
    if digits.is_empty() || rest.iter().any(|byte| !matches!(byte, 0 | b' ')) {
        return None;
    }
    digits.iter().try_fold(0_u64, |number, digit| {
        number.checked_mul(8)?.checked_add(u64::from(digit - b'0'))
    })
}

/// Octal, or GNU's base 256: the first byte is 0x80 or, for what is below zero, 0xff.
pub(super) fn signed(field: &[u8]) -> Option<i64> {
    let fill = match field[0] {
        0x80 => 0,
        0xff => 0xff,
        _ => return octal(field).and_then(|number| i64::try_from(number).ok()),
    };
    let (high, low) = field.split_at(field.len() - 8);
    if high.iter().skip(1).any(|&byte| byte != fill) {
        return None;
    }
    let mut bytes: [u8; 8] = low.try_into().ok()?;
    if field.len() == 8 {
        // Of eight bytes the first one is the mark itself.
        bytes[0] = fill;
    }
    let number = i64::from_be_bytes(bytes);
    ((number < 0) == (fill != 0)).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        let check = |field: &[u8], expected| assert_eq!(signed(field), expected, "{field:?}");
        check(b"0000644\0", Some(0o644));
        check(b"  644 \0\0", Some(0o644));
        check(b"00000000017\0", Some(15));
        check(b"777777777777", Some(0o7777_7777_7777));
        check(b"\x80\0\0\0\0\0\0\0\0\0\x01\0", Some(256));
        check(b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xfe", Some(-2));
        check(b"\x80\0\0\0\0\0\x01\0", Some(256));
        for field in
            [&b"\0\0\0\0\0\0\0\0"[..], b"        ", b"0000648\0", b"000 644\0", b"-000644\0"]
        {
            check(field, None);
        }
        check(b"\x80\0\0\x01\0\0\0\0\0\0\0\0", None);
        check(b"\x80\0\0\0\x80\0\0\0\0\0\0\0", None);
    }
}
