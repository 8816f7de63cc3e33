//! The end of a guest's serial console, as evidence.

use std::fmt;

use crate::guest::text;

/// How much of a serial console is kept.
pub(super) const SERIAL_BYTES: usize = 64 * 1024;
/// How much of it stands in an error.
const SHOWN_LINES: usize = 12;

/// A copy of the last bytes that a guest wrote to its console. They are the guest's own words:
/// [`SerialTail::text`] is what may be shown.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct SerialTail {
    pub bytes: Vec<u8>,
    /// How many bytes came before them.
    pub dropped: u64,
}

impl SerialTail {
    /// Without control characters but line ends.
    pub fn text(&self) -> String {
        let text = String::from_utf8_lossy(&self.bytes);
        text.trim_end().lines().map(text::printable).collect::<Vec<_>>().join("\n")
    }
}

impl fmt::Debug for SerialTail {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "SerialTail({} bytes, {} dropped)", self.bytes.len(), self.dropped)
    }
}

/// Nothing when the console is empty, else its last lines, as the end of a sentence.
impl fmt::Display for SerialTail {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.text();
        let lines: Vec<_> = text.lines().filter(|line| !line.trim().is_empty()).collect();
        if lines.is_empty() {
            return Ok(());
        }
        let shown = &lines[lines.len().saturating_sub(SHOWN_LINES)..];
        write!(formatter, "; its console ends with:\n{}", shown.join("\n"))
    }
}

#[cfg(test)]
mod tests {
    use super::SerialTail;

    #[test]
    fn a_console_is_shown_without_its_escapes() {
        let tail = SerialTail { bytes: b"\x1b[2Jone\r\ntwo\x07\n\n".to_vec(), dropped: 0 };
        assert_eq!(tail.text(), "\u{fffd}[2Jone\ntwo\u{fffd}");
        assert_eq!(tail.to_string(), "; its console ends with:\n\u{fffd}[2Jone\ntwo\u{fffd}");
        assert_eq!(SerialTail::default().to_string(), "");
    }
}
