//! A far end by hand: what a guest sends, word by word.

use crate::{
    frame::{self, DATA, END_HEADERS, END_STREAM, Frame, HEADERS, SETTINGS, message},
    play::{RESUMED, SILENT},
};

pub(crate) const HELLO: u32 = 1;
pub(crate) const EXEC: u32 = 3;
/// The calls of a client that comes back, after its hello.
pub(crate) const UNPACK: u32 = 3;
pub(crate) const WORK: u32 = 5;
pub(crate) const PACK: u32 = 7;

/// What a guest sends, made of frames; the input of [`crate::play::play`].
#[derive(Clone, Debug)]
pub(crate) struct Guest {
    silent: bool,
    resumed: bool,
    bytes: Vec<u8>,
}

impl Guest {
    /// Says nothing yet.
    pub(crate) fn mute() -> Self {
        Self { silent: false, resumed: false, bytes: Vec::new() }
    }

    /// Speaks HTTP/2.
    pub(crate) fn connected() -> Self {
        Self::mute().frame(SETTINGS, 0, 0, []).frame(SETTINGS, frame::ACK, 0, [])
    }

    /// Has answered the greeting as it should.
    pub(crate) fn greeted() -> Self {
        Self::connected().call(HELLO).say(HELLO, &hello()).trailers(HELLO, 0, "")
    }

    /// Has accepted the command, and started it.
    pub(crate) fn started() -> Self {
        Self::greeted().call(EXEC).say(EXEC, &start())
    }

    /// Has answered the greeting of a client that comes back, and unpacked its disk.
    pub(crate) fn unpacked() -> Self {
        Self::greeted().call(UNPACK).say(UNPACK, &done(10_000)).trailers(UNPACK, 0, "").again()
    }

    /// Has gone on with the command, and ended it.
    pub(crate) fn worked() -> Self {
        let began = Self::unpacked().call(WORK).say(WORK, &start());
        began.say(WORK, &exit(0)).trailers(WORK, 0, "")
    }

    /// Is come back to.
    pub(crate) fn again(self) -> Self {
        Self { resumed: true, ..self }
    }

    /// Falls silent at the end, instead of closing the stream.
    pub(crate) fn silent(self) -> Self {
        Self { silent: true, ..self }
    }

    pub(crate) fn frame(
        mut self,
        kind: u8,
        flags: u8,
        stream: u32,
        payload: impl Into<Vec<u8>>,
    ) -> Self {
        Frame::new(kind, flags, stream, payload).encode(&mut self.bytes);
        self
    }

    pub(crate) fn raw(mut self, bytes: &[u8]) -> Self {
        self.bytes.extend_from_slice(bytes);
        self
    }

    /// `more`, `count` times.
    pub(crate) fn flood(self, count: usize, more: impl Fn(Self) -> Self) -> Self {
        (0..count).fold(self, |guest, _| more(guest))
    }

    /// Accepts a call.
    pub(crate) fn call(self, stream: u32) -> Self {
        self.headers(stream, 0, &[(":status", "200"), ("content-type", "application/grpc")])
    }

    pub(crate) fn headers(self, stream: u32, flags: u8, fields: &[(&str, &str)]) -> Self {
        self.frame(HEADERS, END_HEADERS | flags, stream, frame::fields(fields))
    }

    /// Ends a call.
    pub(crate) fn trailers(self, stream: u32, code: i32, text: &str) -> Self {
        let code = code.to_string();
        self.headers(stream, END_STREAM, &[("grpc-status", &code), ("grpc-message", text)])
    }

    /// One message in frames of HTTP/2's usual size.
    pub(crate) fn say(self, stream: u32, body: &[u8]) -> Self {
        self.data(stream, &message(body))
    }

    pub(crate) fn data(self, stream: u32, bytes: &[u8]) -> Self {
        bytes.chunks(16 * 1024).fold(self, |guest, piece| guest.frame(DATA, 0, stream, piece))
    }

    pub(crate) fn input(&self, mode: u8) -> Vec<u8> {
        let silent = if self.silent { SILENT } else { 0 };
        let resumed = if self.resumed { RESUMED } else { 0 };
        [&[mode | silent | resumed][..], &self.bytes].concat()
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// `HelloResponse`.
pub(crate) fn hello() -> Vec<u8> {
    [frame::number(1, 2), frame::bytes(2, b"0.1.0"), frame::bytes(3, b"6.12")].concat()
}

/// `ExecResponse` with `ExecStarted`.
pub(crate) fn start() -> Vec<u8> {
    frame::bytes(1, &frame::number(1, 42))
}

/// `ExecResponse` with an `ExecStarted` that took stdin before.
pub(crate) fn start_at(stdin_offset: i64, closed: bool) -> Vec<u8> {
    let fields = [(1, 42), (2, stdin_offset), (3, i64::from(closed))];
    frame::bytes(1, &fields.map(|(field, value)| frame::number(field, value)).concat())
}

pub(crate) fn stdout(offset: i64, data: &[u8]) -> Vec<u8> {
    frame::bytes(2, &[frame::number(1, offset), frame::bytes(2, data)].concat())
}

pub(crate) fn stderr(offset: i64, data: &[u8]) -> Vec<u8> {
    frame::bytes(3, &[frame::number(1, offset), frame::bytes(2, data)].concat())
}

pub(crate) fn taken(offset: i64) -> Vec<u8> {
    frame::bytes(6, &frame::number(1, offset))
}

/// `DiskResponse` with `DiskProgress`.
pub(crate) fn progress(bytes: i64) -> Vec<u8> {
    frame::bytes(1, &frame::number(1, bytes))
}

pub(crate) fn done(bytes: i64) -> Vec<u8> {
    frame::bytes(2, &frame::number(1, bytes))
}

pub(crate) fn disk_refusal(reason: i64, text: &[u8]) -> Vec<u8> {
    frame::bytes(3, &[frame::number(1, reason), frame::bytes(2, text)].concat())
}

pub(crate) fn exit(code: i64) -> Vec<u8> {
    frame::bytes(4, &frame::number(1, code))
}

pub(crate) fn refusal(reason: i64, text: &[u8]) -> Vec<u8> {
    frame::bytes(5, &[frame::number(1, reason), frame::bytes(2, text)].concat())
}
