//! What the helper holds of a machine's network and hands over: open descriptors, under numbers that
//! the command line tells by name.

use std::{
    collections::HashMap,
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd as _, OwnedFd, RawFd},
};

use rustix::io::{FdFlags, fcntl_setfd};

use super::descriptors::KEPT;

/// How the helper says what is given: `--given namespace=200,tap=201`.
pub const GIVE: &str = "--given";
/// The network that programs join; the rest is called as in [`crate::GIVEN`].
pub const NAMESPACE: &str = "namespace";

/// Each for one program, and closed when all programs have been started.
#[derive(Debug, Default)]
pub(super) struct Given(HashMap<String, OwnedFd>);

impl Given {
    /// As the rest of the command line says; `None` for one that is not understood.
    pub(super) fn asked(arguments: &mut impl Iterator<Item = String>) -> Option<io::Result<Self>> {
        match (arguments.next().as_deref(), arguments.next(), arguments.next()) {
            (None, None, None) => Some(Ok(Self::default())),
            (Some(GIVE), Some(list), None) => Some(Self::own(numbers(&list)?)),
            _ => None,
        }
    }

    /// What is left open is of whoever started us so, for this.
    fn own(numbers: Vec<(String, RawFd)>) -> io::Result<Self> {
        // All of them before any is owned: what is not open is nobody's to close.
        for (_, number) in &numbers {
            // SAFETY: it is only asked about, and fails when it is not open.
            let borrowed = unsafe { BorrowedFd::borrow_raw(*number) };
            fcntl_setfd(borrowed, FdFlags::CLOEXEC)?;
        }
        // SAFETY: it is open, given to us by name, and nothing else here refers to it: each number
        // stands there once.
        let own = |(name, number)| (name, unsafe { OwnedFd::from_raw_fd(number) });
        Ok(Self(numbers.into_iter().map(own).collect()))
    }

    /// The numbers to be kept, in order.
    pub(super) fn numbers(&self) -> Vec<RawFd> {
        let mut numbers: Vec<RawFd> = self.0.values().map(AsRawFd::as_raw_fd).collect();
        numbers.sort_unstable();
        numbers
    }

    /// The network for programs to join.
    pub(super) fn namespace(&self) -> Option<BorrowedFd<'_>> {
        self.0.get(NAMESPACE).map(AsFd::as_fd)
    }

    /// A part of it, which nobody else gets.
    pub(super) fn take(&mut self, name: &str) -> Option<OwnedFd> {
        if name == NAMESPACE { None } else { self.0.remove(name) }
    }
}

/// Of names that are known, each once, out of the way of the numbers of programs.
fn numbers(list: &str) -> Option<Vec<(String, RawFd)>> {
    let mut all: Vec<(String, RawFd)> = Vec::new();
    for entry in list.split(',') {
        let (name, number) = entry.split_once('=')?;
        let number: RawFd = number.parse().ok()?;
        let known = name == NAMESPACE || crate::GIVEN.contains(&name);
        let fresh = all.iter().all(|(other, taken)| other != name && *taken != number);
        if !known || !fresh || number < KEPT {
            return None;
        }
        all.push((name.to_owned(), number));
    }
    Some(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(list: &str, expected: Option<&[(&str, RawFd)]>) {
        let expected = expected.map(|expected| {
            expected.iter().map(|(name, number)| ((*name).to_owned(), *number)).collect()
        });
        assert_eq!(numbers(list), expected, "{list}");
    }

    #[test]
    fn what_is_given_is_named_once() {
        check("namespace=200,tap=201", Some(&[("namespace", 200), ("tap", 201)]));
        check("splice6=4096", Some(&[("splice6", 4096)]));
        for bad in [
            "",
            ",",
            "tap",
            "tap=",
            "tap=x",
            "tap=-1",
            "tap=3",
            "tap=101",
            "tap=199",
            "tun=200",
            "tap=200,",
            "tap=200,tap=201",
            "tap=200,splice=200",
            "tap=200=201",
            " tap=200",
        ] {
            check(bad, None);
        }
    }

    #[test]
    fn a_command_line_is_understood_whole() {
        let asked = |words: &[&str]| {
            Given::asked(&mut words.iter().map(|&word| word.to_owned())).map(|given| given.is_ok())
        };
        assert_eq!(asked(&[]), Some(true));
        // Nothing is open there.
        assert_eq!(asked(&[GIVE, "tap=999999"]), Some(false));
        for bad in [&[GIVE][..], &["--gave", "tap=200"], &[GIVE, "tap=200", "x"], &["x"]] {
            assert_eq!(asked(bad), None, "{bad:?}");
        }
    }
}
