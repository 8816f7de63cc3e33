//! Where a body ends that is sent in chunks (RFC 9112, 7.1). It is passed on as it is.

/// A size, what is said about the chunk, or a trailer.
const MAX_LINE_BYTES: usize = 4 << 10;
const MAX_TRAILERS_BYTES: usize = 16 << 10;

#[derive(Debug)]
pub(super) struct Chunks {
    state: State,
    trailers: usize,
}

#[derive(Debug)]
enum State {
    /// What of the line was read; its digits are the size.
    Size(Vec<u8>),
    Data(u64),
    /// Behind the data: so many bytes of the line's end are still to come.
    End(usize),
    /// How long the line is by now, without its end.
    Trailer(usize),
    Over,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NoChunks;

impl Default for Chunks {
    fn default() -> Self {
        Self { state: State::Size(Vec::new()), trailers: 0 }
    }
}

impl Chunks {
    pub(super) fn is_over(&self) -> bool {
        matches!(self.state, State::Over)
    }

    /// How many of `bytes` are the body's.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Result<usize, NoChunks> {
        let mut at = 0;
        while at < bytes.len() && !self.is_over() {
            if let State::Data(left) = &mut self.state {
                let rest = (bytes.len() - at) as u64;
                let taken = rest.min(*left);
                *left -= taken;
                at += usize::try_from(taken).unwrap_or(usize::MAX);
                if *left == 0 {
                    self.state = State::End(2);
                }
            } else {
                self.step(bytes[at])?;
                at += 1;
            }
        }
        Ok(at)
    }

    fn step(&mut self, byte: u8) -> Result<(), NoChunks> {
        match &mut self.state {
            State::Size(line) if byte == b'\n' => {
                self.state = match size(line)? {
                    0 => State::Trailer(0),
                    size => State::Data(size),
                };
            }
            State::Size(line) if line.len() < MAX_LINE_BYTES => line.push(byte),
            State::End(2) if byte == b'\r' => self.state = State::End(1),
            State::End(1) if byte == b'\n' => self.state = State::Size(Vec::new()),
            State::Trailer(0) if byte == b'\n' => self.state = State::Over,
            State::Trailer(length) => {
                self.trailers += 1;
                match byte {
                    b'\n' => *length = 0,
                    b'\r' => {}
                    _ => *length += 1,
                }
                if self.trailers > MAX_TRAILERS_BYTES {
                    return Err(NoChunks);
                }
            }
            State::Size(_) | State::End(_) | State::Data(_) | State::Over => return Err(NoChunks),
        }
        Ok(())
    }
}

fn size(line: &[u8]) -> Result<u64, NoChunks> {
    let line = line.strip_suffix(b"\r").ok_or(NoChunks)?;
    let digits = line.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii_end();
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_hexdigit) {
        return Err(NoChunks);
    }
    let digits = str::from_utf8(digits).map_err(|_| NoChunks)?;
    u64::from_str_radix(digits, 16).map_err(|_| NoChunks)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// However it is cut.
    fn check(text: &[u8], expected: Result<usize, NoChunks>) {
        for step in 1..=text.len() {
            let mut chunks = Chunks::default();
            let mut taken = Ok(0);
            for part in text.chunks(step) {
                match (taken, chunks.take(part)) {
                    (Ok(before), Ok(more)) => taken = Ok(before + more),
                    (_, Err(error)) => taken = Err(error),
                    (Err(_), _) => {}
                }
                if taken.is_err() || chunks.is_over() {
                    break;
                }
            }
            assert_eq!(taken, expected, "{text:?} by {step}");
            assert_eq!(chunks.is_over(), expected.is_ok());
        }
    }

    #[test]
    fn a_body_ends_behind_its_last_chunk_and_trailers() {
        check(b"0\r\n\r\nGET", Ok(5));
        check(b"3\r\nabc\r\n0\r\n\r\n", Ok(13));
        check(b"a;x=y\r\n0123\r\n6789\r\n0\r\nA: b\r\nC: d\r\n\r\n!", Ok(36));
    }

    #[test]
    fn what_is_none_is_told_so() {
        for text in
            [&b"\r\n"[..], b"3\nabc", b"g\r\n", b"-1\r\n", b"11111111111111111\r\n", b"1\r\nabc"]
        {
            check(text, Err(NoChunks));
        }
        check(&[b'1'; MAX_LINE_BYTES + 2], Err(NoChunks));
    }
}
