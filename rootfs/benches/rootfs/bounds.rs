//! What no converter can do without, each by itself.

use std::{
    fs::File,
    hint::black_box,
    io::{self, Read, Write as _},
    path::Path,
    process::Command,
};

use kiln_rootfs::Hasher;

use crate::{Outcome, image::Layout, rivals};

const BUFFER_BYTES: usize = 1 << 20;

pub(crate) fn inflate(layout: &Layout) -> Outcome<()> {
    for blob in &layout.layers {
        let inflated = flate2::bufread::MultiGzDecoder::new(io::BufReader::with_capacity(
            BUFFER_BYTES,
            File::open(blob)?,
        ));
        each(inflated, |bytes| {
            black_box(bytes);
            Ok(())
        })?;
    }
    Ok(())
}

pub(crate) fn hash(layout: &Layout) -> Outcome<()> {
    for blob in &layout.layers {
        let mut hasher = Hasher::default();
        each(File::open(blob)?, |bytes| {
            hasher.update(bytes);
            Ok(())
        })?;
        black_box(hasher.finish());
    }
    Ok(())
}

/// As many bytes as the layers are, to the disk.
pub(crate) fn write(layout: &Layout, directory: &Path) -> Outcome<()> {
    let bytes = vec![1; BUFFER_BYTES];
    let mut file = File::create_new(directory.join("written"))?;
    for _ in 0..layout.size.div_ceil(BUFFER_BYTES as u64) {
        file.write_all(&bytes)?;
    }
    Ok(file.sync_all()?)
}

pub(crate) fn copy(layout: &Layout, directory: &Path, is_flushed: bool) -> Outcome<()> {
    let mut copy = Command::new("cp");
    copy.arg("--reflink=never").args(&layout.layers).arg(directory);
    rivals::succeed(&mut copy)?;
    if is_flushed {
        rustix::fs::syncfs(File::open(directory)?)?;
    }
    Ok(())
}

fn each(mut from: impl Read, mut take: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        match from.read(&mut buffer)? {
            0 => return Ok(()),
            read => take(&buffer[..read])?,
        }
    }
}
