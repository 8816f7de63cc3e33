//! Durations: `500ms`, `5s`, `1m30s`, `2h`, `1d`; a bare number is seconds.

use std::time::Duration;

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidDuration {
    #[error("no number stands where one should: write a duration such as 90s, 1m30s or 500ms")]
    NoNumber,
    #[error("only whole numbers: write it in a smaller unit, such as 1500ms for 1.5s")]
    Fraction,
    #[error("{unit:?} is no unit: use ms, s, m, h or d")]
    UnknownUnit { unit: String },
    #[error("a number without a unit stands alone: write 1m30s, not 1m30")]
    MissingUnit,
    #[error("units go from the largest to the smallest, each once: write 1m30s")]
    Order,
    #[error("no time at all; leave the option out for no limit")]
    Zero,
    #[error("longer than can be counted")]
    Overflow,
}

pub(crate) fn parse(text: &str) -> Result<Duration, InvalidDuration> {
    let mut rest = text;
    let mut total = 0_u64;
    let mut smallest = u64::MAX;
    while !rest.is_empty() || text.is_empty() {
        let (digits, after) = split(rest, |letter| !letter.is_ascii_digit());
        if after.starts_with(['.', ',']) {
            return Err(InvalidDuration::Fraction);
        }
        if digits.is_empty() {
            return Err(InvalidDuration::NoNumber);
        }
        let (unit, after) = split(after, |letter| letter.is_ascii_digit() || letter == '.');
        let milliseconds = match unit {
            "" if digits == text => 1000,
            "" => return Err(InvalidDuration::MissingUnit),
            _ => of_unit(unit)?,
        };
        if milliseconds >= smallest {
            return Err(InvalidDuration::Order);
        }
        smallest = milliseconds;
        let number: u64 = digits.parse().map_err(|_| InvalidDuration::Overflow)?;
        total = number
            .checked_mul(milliseconds)
            .and_then(|part| total.checked_add(part))
            .ok_or(InvalidDuration::Overflow)?;
        rest = after;
    }
    if total == 0 { Err(InvalidDuration::Zero) } else { Ok(Duration::from_millis(total)) }
}

fn of_unit(unit: &str) -> Result<u64, InvalidDuration> {
    match unit {
        "ms" => Ok(1),
        "s" => Ok(1000),
        "m" => Ok(60 * 1000),
        "h" => Ok(60 * 60 * 1000),
        "d" => Ok(24 * 60 * 60 * 1000),
        _ => Err(InvalidDuration::UnknownUnit { unit: unit.to_owned() }),
    }
}

fn split(text: &str, at: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(at).unwrap_or(text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<u64, InvalidDuration>) {
        assert_eq!(parse(text), expected.map(Duration::from_millis), "{text}");
    }

    #[test]
    fn units() {
        check("5s", Ok(5_000));
        check("5", Ok(5_000));
        check("500ms", Ok(500));
        check("1m30s", Ok(90_000));
        check("1h1m1s1ms", Ok(3_661_001));
        check("2d", Ok(172_800_000));
        check("0h5s", Ok(5_000));
    }

    #[test]
    fn all_else_is_refused() {
        for text in ["0", "0s", "0m0s"] {
            check(text, Err(InvalidDuration::Zero));
        }
        for text in ["", "s", "-5s", "+5s", " 5s", "soon"] {
            check(text, Err(InvalidDuration::NoNumber));
        }
        for text in ["1.5s", "1.5", ".5s", "1m1.5s", "1,5s"] {
            check(text, Err(InvalidDuration::Fraction));
        }
        for text in ["1m1m", "1s1m", "1ms1s"] {
            check(text, Err(InvalidDuration::Order));
        }
        check("1m30", Err(InvalidDuration::MissingUnit));
        check("5 s", Err(InvalidDuration::UnknownUnit { unit: " s".to_owned() }));
        check("5min", Err(InvalidDuration::UnknownUnit { unit: "min".to_owned() }));
        for text in ["99999999999999999999s", "18446744073709551615s", "9999999999999999d"] {
            check(text, Err(InvalidDuration::Overflow));
        }
    }
}
