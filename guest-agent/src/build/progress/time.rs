//! Times as Go writes them: RFC 3339, with up to nine digits of a second's parts.

const NANOS: u64 = 1_000_000_000;

/// `None` for what is no time, or one that nanoseconds since 1970 cannot tell.
pub(super) fn unix_nanos(text: &str) -> Option<u64> {
    let (date, clock) = text.split_once(['T', 't'])?;
    let [year, month, day] = numbers(date, '-')?;
    let zone = clock.rfind(['Z', 'z', '+', '-'])?;
    let (clock, zone) = clock.split_at(zone);
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, ""));
    let [hour, minute, second] = numbers(clock, ':')?;
    let is_date = (1..=12).contains(&month) && (1..=31).contains(&day) && year <= 9999;
    if !is_date || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let seconds = days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second;
    let seconds = u64::try_from(seconds - offset(zone)?).ok()?;
    seconds.checked_mul(NANOS)?.checked_add(nanos(fraction)?)
}

fn numbers(text: &str, separator: char) -> Option<[i64; 3]> {
    let mut parts = text.split(separator).map(number);
    let numbers = [parts.next()??, parts.next()??, parts.next()??];
    parts.next().is_none().then_some(numbers)
}

fn number(digits: &str) -> Option<i64> {
    let is_number = (1..=9).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    is_number.then(|| digits.parse().ok())?
}

/// Of a second; what is finer than a nanosecond is left out.
fn nanos(fraction: &str) -> Option<u64> {
    if fraction.is_empty() {
        return Some(0);
    }
    let digits: String = fraction.chars().take(9).collect();
    u64::try_from(number(&format!("{digits:0<9}"))?).ok()
}

/// In seconds, of `Z` or `+02:00`.
fn offset(zone: &str) -> Option<i64> {
    let sign = match zone.chars().next()? {
        'Z' | 'z' => return (zone.len() == 1).then_some(0),
        '-' => -1,
        _ => 1,
    };
    let (hours, minutes) = zone[1..].split_once(':')?;
    Some(sign * (number(hours)? * 3600 + number(minutes)? * 60))
}

/// Since 1970, in the calendar that Go uses for all of time. A year begins in March here, so that the
/// day that not every year has is its last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    // March has 31 days, and from there five months have 153.
    365 * year + leap_days + (153 * month + 2) / 5 + day - 1 - 719_468
}

#[cfg(test)]
mod tests {
    use super::unix_nanos;

    #[test]
    fn times_of_go() {
        let check = |text, expected| assert_eq!(unix_nanos(text), expected, "{text}");
        check("1970-01-01T00:00:00Z", Some(0));
        check("2000-02-29T12:30:01.5Z", Some(951_827_401_500_000_000));
        check("2026-11-21T23:09:03.083457031Z", Some(1_795_302_543_083_457_031));
        check("2026-11-22T01:09:03.083457031+02:00", Some(1_795_302_543_083_457_031));
        check("2026-11-21T21:39:03-01:30", Some(1_795_302_543_000_000_000));
        check("2100-03-01T00:00:00Z", Some(4_107_542_400_000_000_000));
        check("2026-11-21T23:09:03.0834570319Z", Some(1_795_302_543_083_457_031));
    }

    #[test]
    fn what_is_no_time() {
        for text in [
            "",
            "T",
            "0001-01-01T00:00:00Z",
            "1969-12-31T23:59:59Z",
            "2600-01-01T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-01-01T24:00:00Z",
            "2026-01-01T00:00:00",
            "2026-01-01T00:00:00ZZ",
            "2026-01-01T00:00:00+",
            "2026-01-01T00:00:00+é:00",
            "2026-01-01T00:00:00.xZ",
            "2026-01-01-01T00:00:00Z",
            "99999999999-01-01T00:00:00Z",
        ] {
            assert_eq!(unix_nanos(text), None, "{text}");
        }
    }
}
