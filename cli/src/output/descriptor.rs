//! stdout and stderr without the buffers of the standard library, which cut at line ends.

use std::{
    fs::File,
    io::{self, ErrorKind, Write},
    os::fd::{AsFd, BorrowedFd},
};

use rustix::event::{PollFd, PollFlags, poll};

use super::{OutputError, Stream};

#[derive(Debug)]
pub(super) struct Descriptor {
    stream: Stream,
    file: File,
}

impl Descriptor {
    pub(super) fn open(stream: Stream) -> Result<Self, OutputError> {
        let duplicate = |descriptor: BorrowedFd<'_>| descriptor.try_clone_to_owned();
        let file = match stream {
            Stream::Stdout => duplicate(io::stdout().as_fd()),
            Stream::Stderr => duplicate(io::stderr().as_fd()),
        };
        match file {
            Ok(file) => Ok(Self { stream, file: file.into() }),
            Err(source) => Err(OutputError { stream, source }),
        }
    }

    pub(super) fn write_all(&self, bytes: &[u8]) -> Result<(), OutputError> {
        self.write_all_bytes(bytes).map_err(|source| OutputError { stream: self.stream, source })
    }

    fn write_all_bytes(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match (&self.file).write(bytes) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(written) => bytes = &bytes[written..],
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // Somebody who shares the descriptor made it non-blocking.
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    poll(&mut [PollFd::new(&self.file, PollFlags::OUT)], None)?;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
