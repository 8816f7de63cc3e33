//! Files as images have them: many small ones, a few large ones, and all of it as well packed as programs
//! and text are, which is to a third.

/// `SplitMix64`.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.word() % end.max(1) as u64).unwrap_or_default()
    }
}

const SIZES: [usize; 8] = [200, 1000, 2000, 4000, 8000, 16_000, 60_000, 300_000];
const PHRASES: usize = 6000;

/// What files are made of.
pub(crate) struct Material {
    dice: Dice,
    phrases: Vec<Vec<u8>>,
    /// How many times as large as is usual.
    scale: usize,
}

impl Material {
    pub(crate) fn new(seed: u64, scale: usize) -> Self {
        let mut dice = Dice(seed);
        let phrase = |dice: &mut Dice| {
            let length = 3 + dice.below(14);
            (0..length).map(|_| dice.word().to_le_bytes()[0]).collect()
        };
        let phrases = (0..PHRASES).map(|_| phrase(&mut dice)).collect();
        Self { dice, phrases, scale }
    }

    pub(crate) fn file(&mut self) -> Vec<u8> {
        let usual = SIZES[self.dice.below(SIZES.len())] * self.scale;
        let size = usual / 2 + self.dice.below(usual);
        let mut bytes = Vec::with_capacity(size + 16);
        while bytes.len() < size {
            // The first ones more often than the last ones.
            let most = 1 + self.dice.below(PHRASES);
            bytes.extend_from_slice(&self.phrases[self.dice.below(most)]);
        }
        bytes.truncate(size);
        bytes
    }
}
