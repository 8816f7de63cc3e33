//! What the converter costs, as a program on the host, in ratios of times; all of them over the same
//! bytes, in turns that alternate, with a disk that has nothing left to write when each begins.
//!
//! - `rootfs_gzip`: with gzip layers ÷ (`umoci unpack` + `mkfs.ext4 -d`) with the same ones (goal 0.5)
//! - `rootfs_zstd`: with zstd layers ÷ that same run with gzip layers (goal 0.25)
//! - `rootfs_inflate`: with gzip layers ÷ the longer of inflating them and taking the SHA-256 of what they
//!   inflate to, in one thread and with nothing written (goal 1.15); `rootfs_disk`: ÷ the longest of these
//!   and of writing as many bytes to the same disk, flushed as the converter's are
//! - `rootfs_plain`: with plain layers ÷ a copy of them, flushed (goal 1.5); `rootfs_plain_unflushed`: ÷ one
//!   that leaves its bytes in memory
//! - `rootfs_memory`: the most that it has resident with 1 GiB ÷ with 64 MiB in as many files (goal 1.25);
//!   `rootfs_memory_files`: in sixteen times as many, as what it knows of each takes memory too
//!
//! `cargo bench -p kiln-rootfs --bench rootfs`; `KILN_BENCH_MIB` and `KILN_BENCH_ROUNDS` say how much,
//! `TMPDIR` where. What needs a program that is not there is said, and left out.

mod bounds;
mod converter;
mod files;
mod image;
mod memory;
mod ratio;
mod rivals;
mod turn;

use std::{
    error::Error,
    io::{self, Write as _},
    path::Path,
};

use kiln_rootfs::Compression;

use self::{image::Layout, ratio::Ratio, turn::Turns};

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    // What `cargo test` asks of a bench: that it can be built.
    if std::env::args().any(|argument| argument == "--test") {
        return Ok(());
    }
    let (mib, rounds) = (asked("KILN_BENCH_MIB", 256), asked("KILN_BENCH_ROUNDS", 7));
    let scratch = tempfile::tempdir()?;
    for ratio in times(scratch.path(), mib << 20, rounds)? {
        say(&ratio.to_string())?;
    }
    for ratio in memory::ratios(scratch.path(), rounds.min(3))? {
        say(&ratio.to_string())?;
    }
    Ok(())
}

/// From the environment, or this.
fn asked(name: &str, usual: usize) -> usize {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(usual)
}

fn say(words: &str) -> Outcome<()> {
    Ok(writeln!(io::stdout(), "{words}")?)
}

fn times(scratch: &Path, bytes: usize, rounds: usize) -> Outcome<Vec<Ratio>> {
    let layout = |compression: Compression| {
        Layout::make(scratch.join(compression.to_string()), bytes, 1, compression)
    };
    let gzip = layout(Compression::Gzip)?;
    let zstd = layout(Compression::Zstd)?;
    let plain = layout(Compression::Plain)?;
    let room = converter::size(&gzip, scratch)?;
    let missing = rivals::missing();
    if let Some(missing) = missing {
        say(&format!("rootfs_gzip, rootfs_zstd: not run; there is no {missing}"))?;
    }
    let mut turns = Turns::new(scratch, rounds);
    turns.run("gzip", |directory| converter::run(&gzip, directory));
    turns.run("zstd", |directory| converter::run(&zstd, directory));
    turns.run("plain", |directory| converter::run(&plain, directory));
    turns.run("inflate", |_| bounds::inflate(&gzip));
    turns.run("sha-256", |_| bounds::hash(&plain));
    turns.run("write", |directory| bounds::write(&plain, directory));
    turns.run("copy", |directory| bounds::copy(&plain, directory, false));
    turns.run("copy flushed", |directory| bounds::copy(&plain, directory, true));
    if missing.is_none() {
        turns.run("rivals", |directory| rivals::run(&gzip, room, directory));
    }
    let taken = turns.take()?;
    say(&taken.to_string())?;
    let longer = ["inflate", "sha-256"];
    let longest = ["inflate", "sha-256", "write"];
    let all = [
        taken.ratio("rootfs_gzip", "gzip", &["rivals"], Some(0.5)),
        taken.ratio("rootfs_zstd", "zstd", &["rivals"], Some(0.25)),
        taken.ratio("rootfs_inflate", "gzip", &longer, Some(1.15)),
        taken.ratio("rootfs_disk", "gzip", &longest, None),
        taken.ratio("rootfs_plain", "plain", &["copy flushed"], Some(1.5)),
        taken.ratio("rootfs_plain_unflushed", "plain", &["copy"], None),
    ];
    Ok(all.into_iter().flatten().collect())
}
