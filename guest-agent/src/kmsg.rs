//! Lines for the kernel's log: all that is left of a guest whose agent never answered.

use std::{
    fmt::{self, Write},
    os::fd::OwnedFd,
    sync::OnceLock,
};

use rustix::{
    fs::{Mode, OFlags},
    stdio,
};

/// The kernel refuses a longer record as a whole.
const MAX_LINE_BYTES: usize = 900;

static KMSG: OnceLock<OwnedFd> = OnceLock::new();

/// The kernel's own levels; errors are the kernel's alerts, see [`calm_console`].
#[derive(Clone, Copy, Debug)]
enum Severity {
    Emergency = 0,
    Error = 1,
    Info = 6,
}

/// Opens the kernel's log; before that, and without `/dev/kmsg`, lines go to the console.
pub(crate) fn open() {
    if let Ok(kmsg) = rustix::fs::open("/dev/kmsg", OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())
    {
        // A second opening would be dropped: the first one serves as well.
        let _ = KMSG.set(kmsg);
    }
}

/// Keeps what a command can make the kernel say (a line for each process that it kills for memory)
/// off the console, which is slow and stops the machine for each byte. What the kernel says before
/// it panics is shown whatever the level.
pub(crate) fn calm_console() {
    const CONSOLE_LEVEL: libc::c_int = 8;
    // SAFETY: sets a number; the buffer is not used.
    unsafe {
        libc::klogctl(CONSOLE_LEVEL, std::ptr::null_mut(), Severity::Error as libc::c_int + 1)
    };
}

pub(crate) fn emergency(message: fmt::Arguments<'_>) {
    write(Severity::Emergency, message);
}

pub(crate) fn error(message: fmt::Arguments<'_>) {
    write(Severity::Error, message);
}

pub(crate) fn info(message: fmt::Arguments<'_>) {
    write(Severity::Info, message);
}

fn write(severity: Severity, message: fmt::Arguments<'_>) {
    let mut line = Line::new();
    // `Line` cuts off and never fails.
    let _ = write!(line, "<{}>kiln-agent: {message}", severity as u8);
    match KMSG.get() {
        // Nobody is left to be told of a log that cannot be written.
        Some(kmsg) => drop(rustix::io::write(kmsg, line.bytes())),
        None => drop(line.to_console()),
    }
}

/// One record on the stack: a line is also written when memory is what is missing.
struct Line {
    bytes: [u8; MAX_LINE_BYTES],
    length: usize,
}

impl Line {
    fn new() -> Self {
        Self { bytes: [0; MAX_LINE_BYTES], length: 0 }
    }

    fn bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }

    fn to_console(&self) -> rustix::io::Result<()> {
        rustix::io::write(stdio::stderr(), self.bytes())?;
        rustix::io::write(stdio::stderr(), b"\n")?;
        Ok(())
    }
}

impl Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            let Some(slot) = self.bytes.get_mut(self.length) else { return Ok(()) };
            // A newline would start a record of another severity.
            *slot = if byte == b'\n' { b' ' } else { byte };
            self.length += 1;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_line_is_cut_and_newlines_are_spaces() {
        let mut line = Line::new();
        write!(line, "a\nb{}", "x".repeat(2 * MAX_LINE_BYTES)).unwrap();
        assert_eq!(line.bytes().len(), MAX_LINE_BYTES);
        assert!(line.bytes().starts_with(b"a bxx"));
    }
}
