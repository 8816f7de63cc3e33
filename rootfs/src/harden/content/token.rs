//! Tokens that their issuers made to be recognised: a prefix, an alphabet, a length, some with a sum.

use super::{armour::different, aws};
use crate::harden::secret::Secret;

pub(super) struct Token {
    pub(super) prefix: &'static str,
    pub(super) issuer: &'static str,
    alphabet: Alphabet,
    length: Length,
    sum: Sum,
}

#[derive(Clone, Copy)]
enum Alphabet {
    /// Digits and letters.
    Word,
    /// And `-`, `_`.
    Address,
    /// Digits and `a` to `f`.
    Hex,
    /// Letters and digits of base 32.
    Base32,
    /// What an address has, and dots.
    Dotted,
}

#[derive(Clone, Copy)]
enum Length {
    Exactly(usize),
    AtLeast(usize),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Sum {
    None,
    /// CRC-32 of all before them in the last six characters, as digits of base 62.
    Crc32,
}

use Alphabet::{Address, Base32, Dotted, Hex, Word};
use Length::{AtLeast, Exactly};

const fn token(
    prefix: &'static str,
    issuer: &'static str,
    alphabet: Alphabet,
    length: Length,
) -> Token {
    Token { prefix, issuer, alphabet, length, sum: Sum::None }
}

const fn summed(prefix: &'static str, issuer: &'static str) -> Token {
    Token { prefix, issuer, alphabet: Word, length: Exactly(36), sum: Sum::Crc32 }
}

pub(super) const TOKENS: &[Token] = &[
    summed("ghp_", "GitHub"),
    summed("gho_", "GitHub"),
    summed("ghu_", "GitHub"),
    summed("ghs_", "GitHub"),
    summed("ghr_", "GitHub"),
    token("github_pat_", "GitHub", Address, Exactly(82)),
    summed("npm_", "npm"),
    token("glpat-", "GitLab", Dotted, AtLeast(20)),
    token("gldt-", "GitLab", Address, AtLeast(20)),
    token("glrt-", "GitLab", Dotted, AtLeast(20)),
    token("xoxb-", "Slack", Address, AtLeast(40)),
    token("xoxp-", "Slack", Address, AtLeast(60)),
    token("xapp-1-", "Slack", Address, AtLeast(60)),
    token("sk_live_", "Stripe", Word, AtLeast(24)),
    token("rk_live_", "Stripe", Word, AtLeast(24)),
    token("pypi-AgEIcHlwaS5vcmc", "PyPI", Address, AtLeast(50)),
    token("SG.", "SendGrid", Dotted, Exactly(66)),
    token("dop_v1_", "DigitalOcean", Hex, Exactly(64)),
    token("doo_v1_", "DigitalOcean", Hex, Exactly(64)),
    token("dor_v1_", "DigitalOcean", Hex, Exactly(64)),
    token("hvs.", "Vault", Address, AtLeast(90)),
    token("dckr_pat_", "Docker Hub", Address, Exactly(27)),
    token("sk-ant-api03-", "Anthropic", Address, Exactly(95)),
    token("sk-proj-", "OpenAI", Address, AtLeast(74)),
    token("hf_", "Hugging Face", Word, Exactly(34)),
    token("shpat_", "Shopify", Hex, Exactly(32)),
    token("shpss_", "Shopify", Hex, Exactly(32)),
    token("GOCSPX-", "Google", Address, Exactly(28)),
    token("AKIA", aws::ISSUER, Base32, Exactly(16)),
    token("ASIA", aws::ISSUER, Base32, Exactly(16)),
];

/// Of characters, the least that differ.
const DIFFERENT: usize = 8;
const LONGEST: usize = 400;

impl Token {
    pub(super) fn check(&self, bytes: &[u8], at: usize) -> Option<Secret> {
        let before = at.checked_sub(1).and_then(|before| bytes.get(before));
        if before.is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_') {
            return None;
        }
        let rest = bytes.get(at + self.prefix.len()..)?;
        let run = rest.iter().take(LONGEST).take_while(|byte| self.alphabet.has(**byte));
        let length = run.count();
        let body = &rest[..length];
        let fits = match self.length {
            Exactly(exact) => length == exact,
            AtLeast(least) => (least..LONGEST).contains(&length),
        };
        let is_token = fits
            && different(body) >= DIFFERENT
            && !is_example(body)
            && (self.sum == Sum::None || has_sum(body));
        is_token.then_some(Secret::Token(self.issuer))
    }
}

impl Alphabet {
    fn has(self, byte: u8) -> bool {
        match self {
            Word => byte.is_ascii_alphanumeric(),
            Address => byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'),
            Dotted => byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'),
            Hex => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
            Base32 => matches!(byte, b'A'..=b'Z' | b'2'..=b'7'),
        }
    }
}

pub(super) fn is_example(body: &[u8]) -> bool {
    let lower = body.to_ascii_lowercase();
    [&b"example"[..], b"xxxx", b"0000", b"abcdefgh", b"12345678", b"placeholder"]
        .iter()
        .any(|word| memchr::memmem::find(&lower, word).is_some())
}

fn has_sum(body: &[u8]) -> bool {
    let Some(cut) = body.len().checked_sub(6) else { return false };
    let (random, sum) = body.split_at(cut);
    let mut left = crc32fast::hash(random);
    let mut digits = [b'0'; 6];
    for digit in digits.iter_mut().rev() {
        *digit = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
            [usize::try_from(left % 62).unwrap_or(0)];
        left /= 62;
    }
    sum == digits
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A token that was published to show how its sum is made.
    #[test]
    fn sums_are_checked() {
        assert!(has_sum(b"zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ0mLq17"));
        assert!(!has_sum(b"yQWBuTSOoRi4A9spHcVY5ncnsDkxkJ0mLq17"));
        assert!(!has_sum(b"short"));
    }
}
