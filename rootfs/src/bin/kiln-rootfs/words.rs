//! What a user reads when it is there.

use std::io::{self, Write as _};

use kiln_rootfs::Record;

use super::failure::Failure;

/// Whoever stops listening has heard enough.
pub(super) fn tell(record: &Record) -> Result<(), Failure> {
    let mut lines = record.summary().join("\n");
    lines.push('\n');
    let mut out = io::stdout().lock();
    match out.write_all(lines.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::Tell(error)),
        _ => Ok(()),
    }
}
