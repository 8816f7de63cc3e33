//! The content of one file: what is zero stays a hole.

use std::{
    fs::File,
    io::{self, ErrorKind, Read},
};

use rustix::{fs::ftruncate, io::Errno};

/// Holes are as large as this, and where it divides their place.
const BLOCK_BYTES: usize = 4096;
const BUFFER_BYTES: usize = 64 * BLOCK_BYTES;

#[derive(Debug)]
pub(super) enum WriteError {
    Read(io::Error),
    Write(Errno),
}

/// Fills an empty file with `length` bytes; returns how many there were.
pub(super) fn write(source: &mut impl Read, file: &File, length: u64) -> Result<u64, WriteError> {
    // Before anything is read: a length that no file can have is no work at all.
    ftruncate(file, length).map_err(WriteError::Write)?;
    let mut source = source.take(length);
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut offset = 0;
    loop {
        let filled = fill(&mut source, &mut buffer).map_err(WriteError::Read)?;
        if filled == 0 {
            return Ok(offset);
        }
        // Runs of blocks that are not zero: one write each.
        let mut start = 0;
        while start < filled {
            let is_hole = |at: usize| {
                let block = &buffer[at..filled.min(at + BLOCK_BYTES)];
                // Each byte is the next one, and the first is zero: one comparison of memory.
                block[0] == 0 && block[1..] == block[..block.len() - 1]
            };
            let hole = is_hole(start);
            let mut end = start + BLOCK_BYTES;
            while end < filled && is_hole(end) == hole {
                end += BLOCK_BYTES;
            }
            let end = end.min(filled);
            if !hole {
                write_at(file, &buffer[start..end], offset + start as u64)?;
            }
            start = end;
        }
        offset += filled as u64;
    }
}

fn fill(source: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match source.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

fn write_at(file: &File, mut data: &[u8], mut offset: u64) -> Result<(), WriteError> {
    while !data.is_empty() {
        match rustix::io::pwrite(file, data, offset) {
            Ok(written) => {
                data = &data[written..];
                offset += written as u64;
            }
            Err(Errno::INTR) => {}
            Err(errno) => return Err(WriteError::Write(errno)),
        }
    }
    Ok(())
}
