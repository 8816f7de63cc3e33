//! Sizes as people write them: `512M`, `2GiB`, bytes; and parts of a whole.

use kiln_rootfs::ext4::Free;

pub(super) fn parse(text: &str) -> Result<u64, String> {
    let end = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(end);
    let shift = match unit.trim_start().to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 10,
        "m" | "mb" | "mib" => 20,
        "g" | "gb" | "gib" => 30,
        "t" | "tb" | "tib" => 40,
        _ => return Err("write a whole number with K, M, G or T, such as 512M or 2GiB".to_owned()),
    };
    let number: u64 = digits.parse().map_err(|_| "no number that counts bytes".to_owned())?;
    number.checked_mul(1 << shift).ok_or_else(|| "more than 64 bits can count".to_owned())
}

pub(super) fn free(text: &str) -> Result<Free, String> {
    match text.strip_suffix('%') {
        Some(percent) => match percent.trim_end().parse() {
            Ok(percent @ 0..=95) => Ok(Free::Percent(percent)),
            _ => Err("a part is a whole number from 0% to 95%".to_owned()),
        },
        None => parse(text).map(Free::Bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_parts() {
        for (text, bytes) in [("0", 0), ("4k", 4096), ("256 MiB", 256 << 20), ("2T", 2 << 40)] {
            assert_eq!(parse(text), Ok(bytes), "{text}");
        }
        for wrong in ["", "M", "1.5G", "-1", "5X", "16777216T", "18446744073709551616"] {
            assert!(parse(wrong).is_err(), "{wrong}");
            assert!(free(wrong).is_err(), "{wrong}");
        }
        assert_eq!(free("20%"), Ok(Free::Percent(20)));
        assert_eq!(free("64M"), Ok(Free::Bytes(64 << 20)));
        for wrong in ["96%", "-1%", "%", "1.5%", "256%"] {
            assert!(free(wrong).is_err(), "{wrong}");
        }
    }
}
