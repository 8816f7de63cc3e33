//! Times in an inode: 34 bits of seconds, 1901 to 2446, and nanoseconds.

use crate::tree::Time;

/// The low 32 bits, and the word with the other two and the nanoseconds. What is out of reach becomes
/// the nearest time that is not, as the kernel does it.
pub(super) fn encode(time: Time) -> (u32, u32) {
    const EARLIEST: i64 = i32::MIN as i64;
    const LATEST: i64 = EARLIEST + (1 << 34) - 1;
    let Time { seconds, nanoseconds } = match time.seconds {
        ..EARLIEST => Time { seconds: EARLIEST, nanoseconds: 0 },
        EARLIEST..=LATEST => time,
        _ => Time { seconds: LATEST, nanoseconds: 0 },
    };
    let [a, b, c, d, ..] = seconds.to_le_bytes();
    let low = [a, b, c, d];
    // The low word is signed: an epoch is counted from what that alone would mean.
    let epoch = (seconds - i64::from(i32::from_le_bytes(low))) >> 32;
    let epoch = u32::try_from(epoch).unwrap_or(0);
    (u32::from_le_bytes(low), nanoseconds.min(999_999_999) << 2 | epoch)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_take_34_bits() {
        let encoded = |seconds| encode(Time { seconds, nanoseconds: 0 });
        assert_eq!(encoded(0), (0, 0));
        assert_eq!(encoded(-1), (u32::MAX, 0));
        assert_eq!(encoded(i64::from(i32::MIN)), (0x8000_0000, 0));
        assert_eq!(encoded(0x7fff_ffff), (0x7fff_ffff, 0));
        assert_eq!(encoded(0x8000_0000), (0x8000_0000, 1));
        assert_eq!(encoded(0x1_0000_0000), (0, 1));
        assert_eq!(encoded(0x3_7fff_ffff), (0x7fff_ffff, 3));
    }

    #[test]
    fn what_is_out_of_reach_is_the_nearest_time() {
        let encoded = |seconds| encode(Time { seconds, nanoseconds: 7 });
        assert_eq!(encoded(0x3_8000_0000), (0x7fff_ffff, 3));
        assert_eq!(encoded(i64::MIN), (0x8000_0000, 0));
        assert_eq!(encode(Time { seconds: 1, nanoseconds: u32::MAX }), (1, 999_999_999 << 2));
    }
}
