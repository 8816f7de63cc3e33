//! The hash that orders a big directory: half of MD4's rounds, over a name's bytes taken as signed.

const SIGNED_START: [u32; 4] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];
const WORDS: usize = 8;
/// The largest value says "end" to readers, so no name has it.
const END: u32 = 0xffff_fffe;

/// A name's hash, and a second one that orders names with the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Hash {
    /// Its lowest bit is clear.
    pub(super) major: u32,
    pub(super) minor: u32,
}

pub(super) fn of(name: &[u8], seed: &[u8; 16]) -> Hash {
    let mut state = SIGNED_START;
    if seed.iter().any(|byte| *byte != 0) {
        for (word, bytes) in state.iter_mut().zip(seed.as_chunks().0) {
            *word = u32::from_le_bytes(*bytes);
        }
    }
    let mut left = name;
    while !left.is_empty() {
        mix(&mut state, words(left));
        left = left.get(WORDS * 4..).unwrap_or_default();
    }
    let major = state[1] & !1;
    Hash { major: if major == END { END - 2 } else { major }, minor: state[2] }
}

/// The first words of what is left of a name, filled up with its length.
fn words(left: &[u8]) -> [u32; WORDS] {
    let length = left.len().to_le_bytes()[0];
    let fill = u32::from_le_bytes([length; 4]);
    let mut words = [fill; WORDS];
    for (word, bytes) in words.iter_mut().zip(left.chunks(4)) {
        for byte in bytes {
            *word = (*word << 8).wrapping_add_signed(i32::from(byte.cast_signed()));
        }
    }
    words
}

fn mix(state: &mut [u32; 4], words: [u32; WORDS]) {
    type Function = fn(u32, u32, u32) -> u32;
    type Round = (Function, u32, [usize; WORDS], [u32; 4]);
    let choose: Function = |x, y, z| z ^ (x & (y ^ z));
    let majority: Function = |x, y, z| (x & y).wrapping_add((x ^ y) & z);
    let parity: Function = |x, y, z| x ^ y ^ z;
    let rounds: [Round; 3] = [
        (choose, 0, [0, 1, 2, 3, 4, 5, 6, 7], [3, 7, 11, 19]),
        (majority, 0x5a82_7999, [1, 3, 5, 7, 0, 2, 4, 6], [3, 5, 9, 13]),
        (parity, 0x6ed9_eba1, [3, 7, 2, 6, 1, 5, 0, 4], [3, 9, 11, 15]),
    ];
    let [mut a, mut b, mut c, mut d] = *state;
    for (function, constant, order, turns) in rounds {
        for (word, turn) in order.into_iter().zip(turns.into_iter().cycle()) {
            let sum = a.wrapping_add(function(b, c, d)).wrapping_add(words[word]);
            (a, b, c, d) = (d, sum.wrapping_add(constant).rotate_left(turn), b, c);
        }
    }
    for (word, mixed) in state.iter_mut().zip([a, b, c, d]) {
        *word = word.wrapping_add(mixed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As `debugfs -R "dx_hash -h half_md4 [-s SEED] NAME"` tells.
    #[test]
    fn names_hash_as_everywhere() {
        let seed = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16];
        let long = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
        for (name, plain, seeded) in [
            ("a", (0xd5fa_7d7a, 0xacb4_8187), (0x8d08_ec4c, 0x2fbc_cd78)),
            ("lost+found", (0x591d_e422, 0x6ffc_56e0), (0x694c_8bb4, 0x74b3_9433)),
            ("café", (0xfb9c_5e5c, 0x0573_e8b8), (0xeeef_3446, 0x6e3c_8dd0)),
            (long, (0x2887_0694, 0xbf0d_64ec), (0xe27c_a358, 0x1ffd_51ed)),
        ] {
            for (seed, (major, minor)) in [([0; 16], plain), (seed, seeded)] {
                assert_eq!(of(name.as_bytes(), &seed), Hash { major, minor }, "{name}");
            }
        }
    }
}
