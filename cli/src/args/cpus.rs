//! `--cpus`: whole numbers, for a microVM has whole virtual CPUs.

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidCpus {
    #[error("a microVM has whole CPUs: write {up} for more than enough")]
    Fraction { up: u32 },
    #[error("a microVM needs at least one CPU")]
    Zero,
    #[error("not a number of CPUs: write a whole one, such as 2")]
    NotANumber,
    #[error("more CPUs than any host has")]
    TooMany,
}

pub(crate) fn parse(text: &str) -> Result<u32, InvalidCpus> {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if let Some((whole, fraction)) = text.split_once('.') {
        if !digits(whole) || !digits(fraction) {
            return Err(InvalidCpus::NotANumber);
        }
        let whole: u32 = whole.parse().map_err(|_| InvalidCpus::TooMany)?;
        return Err(InvalidCpus::Fraction { up: whole.saturating_add(1) });
    }
    if !digits(text) {
        return Err(InvalidCpus::NotANumber);
    }
    match text.parse() {
        Ok(0) => Err(InvalidCpus::Zero),
        Ok(cpus) => Ok(cpus),
        Err(_) => Err(InvalidCpus::TooMany),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &Result<u32, InvalidCpus>) {
        assert_eq!(parse(text), *expected, "{text}");
    }

    #[test]
    fn whole_numbers() {
        check("1", &Ok(1));
        check("64", &Ok(64));
    }

    #[test]
    fn all_else_is_refused() {
        check("0", &Err(InvalidCpus::Zero));
        check("1.5", &Err(InvalidCpus::Fraction { up: 2 }));
        check("0.5", &Err(InvalidCpus::Fraction { up: 1 }));
        check("4294967295.5", &Err(InvalidCpus::Fraction { up: u32::MAX }));
        for text in ["", "two", "-1", "+1", "1.", ".5", "1e3", " 1", "0x2"] {
            check(text, &Err(InvalidCpus::NotANumber));
        }
        check("4294967296", &Err(InvalidCpus::TooMany));
    }
}
