//! Pseudoterminals: this alone speaks to `/dev/ptmx`.

use std::{
    io,
    os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd},
};

use kiln_proto::agent::v1;
use rustix::{
    fs::{Uid, fchown},
    pty::{OpenptFlags, ioctl_tiocgptpeer, openpt, unlockpt},
    termios::{
        InputModes, LocalModes, OptionalActions, SpecialCodeIndex, Winsize, tcgetattr, tcgetpgrp,
        tcsetattr, tcsetwinsize,
    },
};

/// Never 0 in either direction: programs divide by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TerminalSize {
    rows: u16,
    columns: u16,
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("a terminal of {rows} rows and {columns} columns: each must be 1 to 65535")]
pub(crate) struct InvalidSize {
    rows: u32,
    columns: u32,
}

impl TryFrom<v1::TerminalSize> for TerminalSize {
    type Error = InvalidSize;

    fn try_from(wire: v1::TerminalSize) -> Result<Self, InvalidSize> {
        let v1::TerminalSize { rows, columns } = wire;
        let side = |length| u16::try_from(length).ok().filter(|length| *length > 0);
        match (side(rows), side(columns)) {
            (Some(rows), Some(columns)) => Ok(Self { rows, columns }),
            _ => Err(InvalidSize { rows, columns }),
        }
    }
}

impl TerminalSize {
    /// The foreground hears of it by SIGWINCH.
    pub(crate) fn apply(self, terminal: BorrowedFd<'_>) -> io::Result<()> {
        let Self { rows, columns } = self;
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        Ok(tcsetwinsize(terminal, size)?)
    }
}

/// Both sides of a new terminal.
#[derive(Debug)]
pub(super) struct Terminal {
    /// The agent's.
    pub(super) master: OwnedFd,
    /// The command's.
    pub(super) slave: OwnedFd,
}

impl Terminal {
    /// The user's, who may otherwise not open `/dev/tty` by its own name.
    pub(super) fn open(size: TerminalSize, user: Uid) -> io::Result<Self> {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let master = openpt(flags)?;
        unlockpt(&master)?;
        // By descriptor: whatever is mounted on `/dev/pts`, it is this terminal's.
        let slave = ioctl_tiocgptpeer(&master, flags)?;
        fchown(&slave, Some(user), None)?;
        // What is typed on the other end is UTF-8: erasing takes a character and not a byte.
        let mut modes = tcgetattr(&slave)?;
        modes.input_modes |= InputModes::IUTF8;
        tcsetattr(&slave, OptionalActions::Now, &modes)?;
        size.apply(master.as_fd())?;
        Ok(Self { master, slave })
    }
}

/// A terminal for the machine's console, the agent's end first. What is written to it comes out as it was
/// written, and what comes in, which is nothing, is not shown.
pub(crate) fn open_console() -> io::Result<(OwnedFd, OwnedFd)> {
    let Terminal { master, slave } =
        Terminal::open(TerminalSize { rows: 24, columns: 80 }, Uid::ROOT)?;
    let mut modes = tcgetattr(&slave)?;
    modes.make_raw();
    tcsetattr(&slave, OptionalActions::Now, &modes)?;
    Ok((master, slave))
}

/// From here on what anybody writes to `/dev/console` is written to this terminal.
pub(crate) fn take_console(slave: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: the request takes no argument.
    match unsafe { libc::ioctl(slave.as_raw_fd(), libc::TIOCCONS) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// What tells the terminal's reader that there is no more, after `last` was typed.
pub(crate) fn end_of_file(terminal: BorrowedFd<'_>, last: u8) -> io::Result<Vec<u8>> {
    /// `_POSIX_VDISABLE`: the terminal has none.
    const DISABLED: u8 = 0;
    let modes = tcgetattr(terminal)?;
    let end = modes.special_codes[SpecialCodeIndex::VEOF];
    if end == DISABLED {
        return Ok(Vec::new());
    }
    // In the middle of a line the first one only hands the line over.
    let in_line = modes.local_modes.contains(LocalModes::ICANON) && last != b'\n' && last != end;
    Ok(vec![end; if in_line { 2 } else { 1 }])
}

/// As a terminal whose line was cut: SIGHUP for the foreground.
pub(crate) fn hang_up(terminal: BorrowedFd<'_>) {
    // A terminal without a foreground has nobody to tell.
    if let Ok(foreground) = tcgetpgrp(terminal) {
        let _ = rustix::process::kill_process_group(foreground, rustix::process::Signal::HUP);
        let _ = rustix::process::kill_process_group(foreground, rustix::process::Signal::CONT);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(rows: u32, columns: u32, expected: bool) {
        assert_eq!(TerminalSize::try_from(v1::TerminalSize { rows, columns }).is_ok(), expected);
    }

    #[test]
    fn a_size_is_what_a_terminal_can_have() {
        check(24, 80, true);
        check(1, 65535, true);
        check(0, 80, false);
        check(24, 0, false);
        check(65536, 80, false);
        check(24, u32::MAX, false);
    }
}
