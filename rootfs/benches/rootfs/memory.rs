//! The most that the converter has resident, whatever the size of an image.

use std::{fs, path::Path, thread, time::Duration};

use kiln_rootfs::Compression;

use crate::{Outcome, converter, image::Layout, ratio::Ratio, say};

const SMALL: usize = 64 << 20;
const LARGE: usize = 1 << 30;
const GOAL: f64 = 1.25;
const PAUSE: Duration = Duration::from_millis(1);

pub(crate) fn ratios(scratch: &Path, rounds: usize) -> Outcome<[Ratio; 2]> {
    let make = |name: &str, bytes, scale| {
        Layout::make(scratch.join(name), bytes, scale, Compression::Gzip)
    };
    let small = make("small", SMALL, 1)?;
    let large = make("large", LARGE, LARGE / SMALL)?;
    let many = make("many", LARGE, 1)?;
    let (mut of_bytes, mut of_files) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        let [small, large, many] = [&small, &large, &many].map(|layout| peak(layout, scratch));
        let (small, large, many) = (small?, large?, many?);
        say(&format!(
            "resident: {small} KiB with 64 MiB, {large} KiB with 1 GiB, {many} KiB in more files"
        ))?;
        of_bytes.push(f64::from(large) / f64::from(small));
        of_files.push(f64::from(many) / f64::from(small));
    }
    Ok([
        Ratio::of("rootfs_memory", of_bytes, Some(GOAL)),
        Ratio::of("rootfs_memory_files", of_files, None),
    ])
}

/// In KiB. The kernel keeps the highest, so only what comes after the last look is missed.
fn peak(layout: &Layout, scratch: &Path) -> Outcome<u32> {
    let directory = tempfile::tempdir_in(scratch)?;
    let mut child = converter::command(layout, directory.path()).spawn()?;
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    loop {
        let text = fs::read_to_string(&status)?;
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let now = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok());
        peak = peak.max(now.unwrap_or(0));
        if let Some(status) = child.try_wait()? {
            return if status.success() { Ok(peak) } else { Err(status.to_string().into()) };
        }
        thread::sleep(PAUSE);
    }
}
