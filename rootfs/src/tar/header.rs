//! The block of 512 bytes before a member.

use crate::tree::Metadata;

/// What eleven octal digits can say, and seven.
pub(super) const LONG_NUMBER: u64 = 0o777_7777_7777;
pub(super) const SHORT_NUMBER: u64 = 0o777_7777;
pub(super) const NAME: usize = 100;

pub(super) struct Header([u8; 512]);

impl Header {
    /// Numbers that do not fit are left to the PAX header.
    pub(super) fn new(metadata: &Metadata) -> Self {
        let mut header = Self([0; 512]);
        header.number(100, 7, u64::from(metadata.mode & 0o7777));
        header.number(108, 7, u64::from(metadata.user));
        header.number(116, 7, u64::from(metadata.group));
        header.size(0);
        let modified = u64::try_from(metadata.modified.seconds).unwrap_or(0);
        header.number(136, 11, modified);
        header.0[257..265].copy_from_slice(b"ustar\x0000");
        header.number(329, 7, 0);
        header.number(337, 7, 0);
        header
    }

    /// Of the PAX header itself.
    pub(super) fn before() -> Self {
        let mut header = Self::new(&Metadata { mode: 0o644, ..Metadata::default() });
        header.kind(b'x');
        header.name(b"././@PaxHeader");
        header
    }

    pub(super) fn kind(&mut self, kind: u8) {
        self.0[156] = kind;
    }

    /// As much of it as there is room for.
    pub(super) fn name(&mut self, name: &[u8]) {
        self.text(0, name);
    }

    pub(super) fn target(&mut self, target: &[u8]) {
        self.text(157, target);
    }

    pub(super) fn size(&mut self, size: u64) {
        self.number(124, 11, size);
    }

    /// False if the numbers do not fit, for which PAX knows no record.
    pub(super) fn device(&mut self, major: u32, minor: u32) -> bool {
        let (major, minor) = (u64::from(major), u64::from(minor));
        self.number(329, 7, major);
        self.number(337, 7, minor);
        major <= SHORT_NUMBER && minor <= SHORT_NUMBER
    }

    /// With its sum, which is taken as if the sum itself were spaces.
    pub(super) fn finished(mut self) -> [u8; 512] {
        self.0[148..156].fill(b' ');
        let sum: u64 = self.0.iter().map(|byte| u64::from(*byte)).sum();
        self.number(148, 6, sum);
        self.0[154] = 0;
        self.0
    }

    fn text(&mut self, at: usize, text: &[u8]) {
        let length = text.len().min(NAME);
        self.0[at..at + length].copy_from_slice(&text[..length]);
    }

    fn number(&mut self, at: usize, digits: usize, number: u64) {
        let limit = 8_u64.pow(u32::try_from(digits).unwrap_or(0)) - 1;
        let number = if number > limit { 0 } else { number };
        let text = format!("{number:0digits$o}");
        self.0[at..at + digits].copy_from_slice(text.as_bytes());
    }
}
