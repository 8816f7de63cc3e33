//! Signals by name and by number, as STOPSIGNAL writes them.

use std::fmt;

/// The kernel's last one.
const LAST: i32 = 64;
/// The C libraries keep the first two of the kernel's real-time signals to themselves.
const REAL_TIME_MIN: i32 = 34;

const NAMES: [(&str, i32); 31] = [
    ("HUP", 1),
    ("INT", 2),
    ("QUIT", 3),
    ("ILL", 4),
    ("TRAP", 5),
    ("ABRT", 6),
    ("BUS", 7),
    ("FPE", 8),
    ("KILL", 9),
    ("USR1", 10),
    ("SEGV", 11),
    ("USR2", 12),
    ("PIPE", 13),
    ("ALRM", 14),
    ("TERM", 15),
    ("STKFLT", 16),
    ("CHLD", 17),
    ("CONT", 18),
    ("STOP", 19),
    ("TSTP", 20),
    ("TTIN", 21),
    ("TTOU", 22),
    ("URG", 23),
    ("XCPU", 24),
    ("XFSZ", 25),
    ("VTALRM", 26),
    ("PROF", 27),
    ("WINCH", 28),
    ("IO", 29),
    ("PWR", 30),
    ("SYS", 31),
];
const OTHER_NAMES: [(&str, i32); 4] = [("CLD", 17), ("IOT", 6), ("POLL", 29), ("UNUSED", 31)];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signal(i32);

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no signal; write a name such as SIGTERM or SIGRTMIN+3, or a number from 1 to {LAST}"
)]
pub struct InvalidSignal(String);

impl Signal {
    pub const TERMINATE: Self = Self(15);

    /// In small letters or large ones, with or without `SIG`. An image without any has `SIGTERM`.
    pub fn parse(text: &str) -> Result<Self, InvalidSignal> {
        if text.is_empty() {
            return Ok(Self::TERMINATE);
        }
        let invalid = || InvalidSignal(text.to_owned());
        if text.bytes().all(|byte| byte.is_ascii_digit()) {
            let number = text.parse().ok().filter(|number| (1..=LAST).contains(number));
            return number.map(Self).ok_or_else(invalid);
        }
        let upper = text.to_ascii_uppercase();
        let name = upper.strip_prefix("SIG").unwrap_or(&upper);
        let mut names = NAMES.iter().chain(&OTHER_NAMES);
        let known = names.find(|(known, _)| *known == name).map(|(_, number)| *number);
        known.or_else(|| real_time(name)).map(Self).ok_or_else(invalid)
    }

    pub fn number(self) -> i32 {
        self.0
    }
}

/// The name that everybody knows it by.
impl fmt::Display for Signal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match NAMES.iter().find(|(_, number)| *number == self.0) {
            Some((name, _)) => write!(formatter, "SIG{name}"),
            None if self.0 < REAL_TIME_MIN => write!(formatter, "{}", self.0),
            None if self.0 == REAL_TIME_MIN => write!(formatter, "SIGRTMIN"),
            None => write!(formatter, "SIGRTMIN+{}", self.0 - REAL_TIME_MIN),
        }
    }
}

fn real_time(name: &str) -> Option<i32> {
    let offset = |text: &str, sign: char| match text {
        "" => Some(0),
        text => text.strip_prefix(sign)?.parse::<u8>().ok().map(i32::from),
    };
    let number = match name.strip_prefix("RTMIN") {
        Some(rest) => REAL_TIME_MIN + offset(rest, '+')?,
        None => LAST - offset(name.strip_prefix("RTMAX")?, '-')?,
    };
    (REAL_TIME_MIN..=LAST).contains(&number).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<(i32, &str)>) {
        let found = Signal::parse(text).ok().map(|signal| (signal.number(), signal.to_string()));
        let expected = expected.map(|(number, name)| (number, name.to_owned()));
        assert_eq!(found, expected, "{text:?}");
    }

    #[test]
    fn every_way_of_writing_is_understood() {
        check("", Some((15, "SIGTERM")));
        check("SIGTERM", Some((15, "SIGTERM")));
        check("sigquit", Some((3, "SIGQUIT")));
        check("WINCH", Some((28, "SIGWINCH")));
        check("9", Some((9, "SIGKILL")));
        check("SIGIOT", Some((6, "SIGABRT")));
        check("32", Some((32, "32")));
        check("SIGRTMIN", Some((34, "SIGRTMIN")));
        check("SIGRTMIN+3", Some((37, "SIGRTMIN+3")));
        check("RTMAX", Some((64, "SIGRTMIN+30")));
        check("SIGRTMAX-14", Some((50, "SIGRTMIN+16")));
        check("37", Some((37, "SIGRTMIN+3")));
    }

    #[test]
    fn what_is_no_signal_is_refused() {
        for text in ["0", "65", "-1", "SIG", "SIGNOPE", "SIGRTMIN+31", "SIGRTMAX-31", "RTMIN-1"] {
            check(text, None);
        }
        for text in ["SIGRTMIN+", "99999999999", " TERM", "SIGTERM ", "TERM\0"] {
            check(text, None);
        }
    }

    #[test]
    fn names_are_read_as_they_are_written() {
        for number in 1..=LAST {
            let signal = Signal(number);
            assert_eq!(Signal::parse(&signal.to_string()), Ok(signal));
        }
    }
}
