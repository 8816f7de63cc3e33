//! A moment, as PAX writes it.

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time {
    /// Rounded down.
    pub seconds: i64,
    pub nanoseconds: u32,
}

impl Time {
    pub(crate) fn of_seconds(seconds: i64) -> Self {
        Self { seconds, nanoseconds: 0 }
    }

    /// Towards 1970, as most readers cut a fraction off.
    pub fn whole_seconds(self) -> i64 {
        self.seconds + i64::from(self.seconds < 0 && self.nanoseconds > 0)
    }

    /// `-12.345`; digits behind the ninth are cut off.
    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        let (is_negative, text) = match text.split_first() {
            Some((b'-', rest)) => (true, rest),
            _ => (false, text),
        };
        let mut parts = text.splitn(2, |&byte| byte == b'.');
        let whole = i64::try_from(super::reader::decimal(parts.next()?)?).ok()?;
        let fraction = parts.next().unwrap_or_default();
        if fraction.len() > 18 || !fraction.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let digits = fraction.iter().copied().chain(std::iter::repeat(b'0')).take(9);
        let nanoseconds = digits.fold(0, |number, digit| number * 10 + u32::from(digit - b'0'));
        Some(match (is_negative, nanoseconds) {
            (false, _) => Self { seconds: whole, nanoseconds },
            (true, 0) => Self::of_seconds(-whole),
            (true, _) => Self { seconds: -whole - 1, nanoseconds: 1_000_000_000 - nanoseconds },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read() {
        let check = |text: &str, seconds, nanoseconds, whole| {
            let time = Time::parse(text.as_bytes()).unwrap();
            assert_eq!(time, Time { seconds, nanoseconds }, "{text}");
            assert_eq!(time.whole_seconds(), whole, "{text}");
        };
        check("12", 12, 0, 12);
        check("12.", 12, 0, 12);
        check("12.5", 12, 500_000_000, 12);
        check("12.000000001", 12, 1, 12);
        check("12.0000000019", 12, 1, 12);
        check("-12", -12, 0, -12);
        check("-12.25", -13, 750_000_000, -12);
        check("-0.25", -1, 750_000_000, 0);
        for text in ["", "-", "1e3", "12.5.5", "+1", "0x1", " 1", "9223372036854775808", "1.-5"] {
            assert_eq!(Time::parse(text.as_bytes()), None, "{text}");
        }
    }
}
