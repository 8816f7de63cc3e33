//! `--timestamps`: chunks cut where they like, times belong to line starts.

use bytes::Bytes;

use crate::{output::Stream, record::Time};

#[derive(Debug, Default)]
pub(super) struct Lines {
    stdout_is_inside: bool,
    stderr_is_inside: bool,
}

impl Lines {
    /// `data` with `time` before each line that begins in it.
    pub(super) fn stamp(&mut self, stream: Stream, time: Time, data: &[u8]) -> Bytes {
        let is_inside = match stream {
            Stream::Stdout => &mut self.stdout_is_inside,
            Stream::Stderr => &mut self.stderr_is_inside,
        };
        let stamp = format!("{time} ");
        let mut stamped = Vec::with_capacity(data.len() + stamp.len());
        for line in data.split_inclusive(|&byte| byte == b'\n') {
            if !*is_inside {
                stamped.extend_from_slice(stamp.as_bytes());
            }
            stamped.extend_from_slice(line);
            *is_inside = !line.ends_with(b"\n");
        }
        stamped.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_is_stamped_once() {
        let mut lines = Lines::default();
        let mut check = |stream, seconds, data: &[u8], expected: &str| {
            let time = Time::from(prost_types::Timestamp { seconds, nanos: 0 });
            let stamped = lines.stamp(stream, time, data);
            let expected = expected.replace('@', "1970-01-01T00:00:0").replace('~', ".000000Z ");
            assert_eq!(stamped, expected.as_bytes());
        };
        check(Stream::Stdout, 1, b"one\ntw", "@1~one\n@1~tw");
        check(Stream::Stderr, 2, b"aside\n", "@2~aside\n");
        check(Stream::Stdout, 3, b"o\n", "o\n");
        check(Stream::Stdout, 4, b"\n\n", "@4~\n@4~\n");
        check(Stream::Stdout, 5, b"", "");
    }
}
