//! How fast a file system is written: its time ÷ that of a plain copy of the same bytes, and ÷ that of
//! `mke2fs -d` over the same directory. `cargo bench -p kiln-rootfs --bench ext4 -- DIRECTORY`,
//! with `MKE2FS` set where another one is to be measured. Run it on an idle machine.
//! Ends with a line of JSON.

mod scan;

use std::{
    error::Error,
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use kiln_rootfs::ext4::{Free, Options, Plan, Size};

const TURNS: usize = 5;

fn main() -> Result<(), Box<dyn Error>> {
    let mut out = io::stdout();
    let asked = std::env::args_os().skip(1).find(|argument| argument != "--bench");
    let Some(directory) = asked.map(PathBuf::from) else {
        writeln!(out, "ext4: not run; it needs a directory to make a file system of")?;
        return Ok(());
    };
    let scratch = tempfile::TempDir::new()?;
    let spool = scratch.path().join("spool");
    let (tree, store) = scan::scan(&directory, &spool)?;
    let size = Size::Fitted(Free::Percent(10));
    let options = Options { uuid: [7; 16], hash_seed: [9; 16], size, ..Options::default() };

    let (mut plans, mut writes, mut copies, mut others) = (vec![], vec![], vec![], vec![]);
    for _ in 0..TURNS {
        let started = Instant::now();
        let plan = Plan::of(&tree, &options)?;
        plans.push(started.elapsed());
        let image = scratch.path().join("image");
        writes.push(timed(&image, |image| {
            plan.write(&store, image)?;
            Ok(())
        })?);
        let copy = scratch.path().join("copy");
        let started = Instant::now();
        run(Command::new("cp").args(["--reflink=never", "--sparse=never"]).arg(&spool).arg(&copy))?;
        copies.push(started.elapsed());
        fs::remove_file(copy)?;
        // It syncs: where the disk is slow that is all that would be measured.
        let size = plan.usage().size * 2;
        others.push(timed(&image, |image| {
            image.set_len(size)?;
            let mut mke2fs =
                Command::new(std::env::var_os("MKE2FS").unwrap_or_else(|| "/sbin/mke2fs".into()));
            mke2fs.args(["-q", "-F", "-t", "ext4", "-d"]).arg(&directory);
            run(mke2fs.arg(scratch.path().join("image")))
        })?);
    }
    let [plan, write, copy, mke2fs] = [plans, writes, copies, others].map(median);
    let bytes = fs::metadata(&spool)?.len();
    writeln!(
        out,
        "{{\"bench\": \"ext4\", \"bytes\": {bytes}, \"names\": {}, \"plan_ms\": {}, \"write_ms\": {}, \
         \"copy_ms\": {}, \"mke2fs_ms\": {}, \"to_copy\": {:.2}, \"to_mke2fs\": {:.3}}}",
        tree.walk().count(),
        plan.as_millis(),
        write.as_millis(),
        copy.as_millis(),
        mke2fs.as_millis(),
        (plan + write).as_secs_f64() / copy.as_secs_f64(),
        (plan + write).as_secs_f64() / mke2fs.as_secs_f64(),
    )?;
    Ok(())
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

/// What it takes to fill a new file, which is gone afterwards.
fn timed(
    path: &Path,
    fill: impl FnOnce(&File) -> Result<(), Box<dyn Error>>,
) -> Result<Duration, Box<dyn Error>> {
    let file = File::create_new(path)?;
    let started = Instant::now();
    fill(&file)?;
    let taken = started.elapsed();
    fs::remove_file(path)?;
    Ok(taken)
}

fn run(command: &mut Command) -> Result<(), Box<dyn Error>> {
    let status = command.status()?;
    if status.success() { Ok(()) } else { Err(format!("{command:?}: {status}").into()) }
}
