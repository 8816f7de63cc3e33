//! Sizes: `256M`, `256MiB`, `1g`, bytes. Binary throughout, as docker reads them.

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidSize {
    #[error("no number stands in it: write a size such as 256M, 2GiB or 1048576")]
    NoNumber,
    #[error("only whole numbers: write it in a smaller unit, such as 1536M for 1.5G")]
    Fraction,
    #[error("{unit:?} is no unit: use K, M, G or T, with or without iB")]
    UnknownUnit { unit: String },
    #[error("a size of nothing is of no use; leave the option out for the default")]
    Zero,
    #[error("more than 64 bits can count")]
    Overflow,
}

pub(crate) fn parse(text: &str) -> Result<u64, InvalidSize> {
    let end = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(end);
    if unit.starts_with(['.', ',']) {
        return Err(InvalidSize::Fraction);
    }
    if digits.is_empty() {
        return Err(InvalidSize::NoNumber);
    }
    let shift = match unit.trim_start().to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 10,
        "m" | "mb" | "mib" => 20,
        "g" | "gb" | "gib" => 30,
        "t" | "tb" | "tib" => 40,
        _ => return Err(InvalidSize::UnknownUnit { unit: unit.to_owned() }),
    };
    let number: u64 = digits.parse().map_err(|_| InvalidSize::Overflow)?;
    match number.checked_mul(1 << shift) {
        None => Err(InvalidSize::Overflow),
        Some(0) => Err(InvalidSize::Zero),
        Some(bytes) => Ok(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &Result<u64, InvalidSize>) {
        assert_eq!(parse(text), *expected, "{text}");
    }

    #[test]
    fn units() {
        check("1", &Ok(1));
        check("1048576", &Ok(1 << 20));
        check("512b", &Ok(512));
        check("4k", &Ok(4 << 10));
        for text in ["256M", "256m", "256MB", "256MiB", "256mib", "256 MiB"] {
            check(text, &Ok(256 << 20));
        }
        check("1g", &Ok(1 << 30));
        check("2TiB", &Ok(2 << 40));
        check("18446744073709551615", &Ok(u64::MAX));
    }

    #[test]
    fn all_else_is_refused() {
        for text in ["0", "0M", "00"] {
            check(text, &Err(InvalidSize::Zero));
        }
        for text in ["", "M", "big", "-5M", "+5M", " 5M"] {
            check(text, &Err(InvalidSize::NoNumber));
        }
        for text in ["1.5G", ".5G", "1,5G", "1."] {
            check(text, &Err(InvalidSize::Fraction));
        }
        for text in ["18446744073709551616", "16777216T", "99999999999999999999999"] {
            check(text, &Err(InvalidSize::Overflow));
        }
        check("5X", &Err(InvalidSize::UnknownUnit { unit: "X".to_owned() }));
        check("5M5", &Err(InvalidSize::UnknownUnit { unit: "M5".to_owned() }));
        check("1e9", &Err(InvalidSize::UnknownUnit { unit: "e9".to_owned() }));
    }
}
