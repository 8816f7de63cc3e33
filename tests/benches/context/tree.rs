//! A directory as builds have them: a few large files, and many small ones.

use std::{
    fs::{self, File, OpenOptions},
    io::Write as _,
    os::unix::fs::FileExt as _,
    path::Path,
};

use kiln_tests::Dice;

const LARGE: usize = 48;
const LARGE_BYTES: usize = 4 << 20;
const SMALL: usize = 2000;
const SMALL_BYTES: usize = 4 << 10;
pub(crate) const FILES: usize = LARGE + SMALL + 1;

/// How many bytes there are.
pub(crate) fn make(root: &Path) -> anyhow::Result<usize> {
    fs::create_dir(root)?;
    fs::write(root.join("Dockerfile"), "FROM scratch\nCOPY . /\n")?;
    let mut dice = Dice::new(7);
    let mut block = vec![0; LARGE_BYTES];
    block.fill_with(|| dice.byte());
    for number in 0..LARGE {
        block[..8].copy_from_slice(&number.to_le_bytes());
        File::create(root.join(format!("large{number}")))?.write_all(&block)?;
    }
    for number in 0..SMALL {
        let directory = root.join(format!("d{}", number % 40));
        fs::create_dir_all(&directory)?;
        let at = number * 97;
        fs::write(directory.join(format!("f{number}")), &block[at..at + SMALL_BYTES])?;
    }
    Ok(LARGE * LARGE_BYTES + SMALL * SMALL_BYTES)
}

/// Makes it another one.
pub(crate) fn touch(root: &Path, turn: usize) -> anyhow::Result<()> {
    let file = OpenOptions::new().write(true).open(root.join("large0"))?;
    file.write_all_at(&(turn + 1000).to_le_bytes(), 0)?;
    Ok(())
}
