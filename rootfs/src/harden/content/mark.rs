//! Words that secrets begin with, all searched for at once.

use std::cell::LazyCell;

use aho_corasick::{AhoCorasick, MatchKind};

use super::{armour, aws, azure, token::TOKENS};
use crate::harden::secret::Secret;

pub(super) struct Marks {
    search: AhoCorasick,
}

/// What follows the word decides: `(bytes, where the word begins)`. It has to look at few bytes, or a
/// file that says the word over and over takes long.
type Check = fn(&[u8], usize) -> Option<Secret>;

const ARMOURED: [(&str, Check); 5] = [
    ("-----BEGIN ", armour::pem),
    ("---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----", armour::ssh2),
    ("PuTTY-User-Key-File-", armour::putty),
    ("AGE-SECRET-KEY-1", armour::age),
    ("AccountKey=", azure::storage),
];

impl Marks {
    pub(super) fn new() -> Self {
        let words = ARMOURED.iter().map(|(word, _)| *word);
        let words = words.chain(TOKENS.iter().map(|token| token.prefix));
        let search = AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(words);
        // It fails if the words need more states than a number has, and they are the constants above.
        Self { search: search.expect("a few dozen short words can be searched for") }
    }

    /// The first secret in the order of the bytes.
    pub(super) fn find(&self, bytes: &[u8]) -> Option<Secret> {
        // Asked for at most once in a file.
        let has_key = LazyCell::new(|| aws::has_key(bytes));
        self.search.find_iter(bytes).find_map(|word| {
            let number = word.pattern().as_usize();
            match ARMOURED.get(number) {
                Some((_, check)) => check(bytes, word.start()),
                None => {
                    let token = TOKENS.get(number - ARMOURED.len())?;
                    let is_half = token.issuer == aws::ISSUER;
                    token.check(bytes, word.start()).filter(|_| !is_half || *has_key)
                }
            }
        })
    }
}
