//! `Retry-After`: seconds, or a date. Hostile input.

use std::time::{Duration, SystemTime};

/// Whoever asks for more gets this.
pub const MOST: Duration = Duration::from_secs(24 * 60 * 60);

const MAX_BYTES: usize = 64;

/// How long to wait from `now` on; nothing of what is past. None: it says neither.
pub fn parse(header: &[u8], now: SystemTime) -> Option<Duration> {
    if header.len() > MAX_BYTES {
        return None;
    }
    let text = std::str::from_utf8(header).ok()?.trim_matches([' ', '\t']);
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // Digits that are too many for a number are too long a time as well.
        let seconds = text.parse().unwrap_or(u64::MAX);
        return Some(Duration::from_secs(seconds).min(MOST));
    }
    let at = httpdate::parse_http_date(text).ok()?;
    Some(at.duration_since(now).unwrap_or_default().min(MOST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_and_dates() {
        // Sun, 06 Nov 1994 08:49:37 GMT
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        let check = |text: &str, expected: Option<u64>| {
            let found = parse(text.as_bytes(), now);
            assert_eq!(found, expected.map(Duration::from_secs), "{text}");
        };
        check("0", Some(0));
        check(" 120 ", Some(120));
        check("99999999", Some(MOST.as_secs()));
        check("99999999999999999999999999", Some(MOST.as_secs()));
        check("Sun, 06 Nov 1994 08:50:37 GMT", Some(60));
        check("Sunday, 06-Nov-94 08:50:37 GMT", Some(60));
        check("Sun Nov  6 08:50:37 1994", Some(60));
        check("Sun, 06 Nov 1994 08:49:00 GMT", Some(0));
        check("Thu, 01 Jan 2099 00:00:00 GMT", Some(MOST.as_secs()));
        for text in ["", "-1", "+1", "1.5", "soon", "1 s", "0x10", "Sun, 06 Nov 1994", "٣"] {
            check(text, None);
        }
        check(&"1".repeat(65), None);
    }
}
