//! What Kiln itself says, on stderr, apart from what the command says there.

use std::io::{self, Write};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
};

use crate::terminal;

/// A reader of stderr that is stuck must not keep a job from being cancelled: words are dropped
/// when there is no room for them so long.
const PATIENCE: Timespec = Timespec { tv_sec: 1, tv_nsec: 0 };

/// When stderr is gone too, the exit code has to do.
pub(crate) fn error(message: &str) {
    // A raw terminal does not go back to the left by itself.
    let end = if terminal::is_raw() { "\r\n" } else { "\n" };
    say(&format!("kiln: {message}{end}"));
}

/// Lines of somebody else's, as they are.
pub(crate) fn text(lines: &str) {
    if !lines.is_empty() {
        say(lines);
    }
}

fn say(text: &str) {
    let mut stderr = io::stderr();
    // A pipe with any room has room for a page, which is more than a message needs.
    let has_room = poll(&mut [PollFd::new(&stderr, PollFlags::OUT)], Some(&PATIENCE));
    if matches!(has_room, Ok(1..) | Err(Errno::INTR)) {
        let _ = stderr.write_all(text.as_bytes());
    }
}
