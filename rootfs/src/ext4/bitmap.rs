//! Which blocks and which inodes of a group are used.

use std::ops::Range;

use super::geometry::BLOCK_BYTES;

/// Everything clear.
pub(super) fn empty() -> Vec<u8> {
    vec![0; BLOCK_BYTES]
}

/// Sets the bits of a range; what is past the end of the bitmap is not there to be set.
pub(super) fn set(bitmap: &mut [u8], range: Range<u64>) {
    let mut at = range.start;
    while at < range.end {
        let Some(byte) = usize::try_from(at / 8).ok().and_then(|index| bitmap.get_mut(index))
        else {
            return;
        };
        if at.is_multiple_of(8) && range.end - at >= 8 {
            *byte = 0xff;
            at += 8;
        } else {
            *byte |= 1 << (at % 8);
            at += 1;
        }
    }
}

pub(super) fn count(bitmap: &[u8]) -> u64 {
    bitmap.iter().map(|byte| u64::from(byte.count_ones())).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_set_bit_by_bit_and_byte_by_byte() {
        for (range, bits) in [(0..0, 0), (3..5, 2), (7..8, 1), (5..27, 22), (32_760..32_800, 8)] {
            let mut bitmap = empty();
            set(&mut bitmap, range.clone());
            assert_eq!(count(&bitmap), bits, "{range:?}");
        }
    }
}
