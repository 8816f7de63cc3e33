//! What it costs to take over a build's image: from the raw disk into the store, durable and linked ÷
//! the longer of reading the same bytes and hashing them; and, as no store is faster than its disk, ÷
//! the longest of these and of writing as many bytes there, flushed. In turns, so that whatever else the machine
//! does weighs on all of them; the disk once in the page cache, and once not.
//!
//! `cargo bench -p kiln-registry --bench ingest`; `KILN_BENCH_MIB` and `KILN_BENCH_ROUNDS` say how much,
//! `TMPDIR` where.

use std::{
    fs::File,
    io::{self, Write as _},
    net::IpAddr,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use kiln_registry::{
    build::Maker,
    digest::{Digest, Hasher},
    manifest::media,
    mirror::{self, Mirror},
    operate::{Config, Images},
    store::{Limits, Store},
    upstream::{self, Resolve, Upstream},
};
use rustix::fs::{Advice, fadvise};
use serde_json::{Value, json};

const GOAL: f64 = 1.15;
const LAYERS: usize = 8;
const BUFFER_BYTES: usize = 1 << 20;

fn main() -> io::Result<()> {
    // What `cargo test` asks of a bench: that it can be built.
    if std::env::args().any(|argument| argument == "--test") {
        return Ok(());
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(measure())
}

/// From the environment, or this.
fn asked(name: &str, usual: usize) -> usize {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(usual)
}

async fn measure() -> io::Result<()> {
    let (mib, rounds) = (asked("KILN_BENCH_MIB", 512), asked("KILN_BENCH_ROUNDS", 7));
    let directory = tempfile::tempdir()?;
    let disk = directory.path().join("disk");
    let length = write(&disk, mib)?;
    for is_cold in [false, true] {
        let (mut ratios, mut of_disk) = (Vec::new(), Vec::new());
        let mut times = [const { Vec::new() }; 5];
        for round in 0..=rounds {
            let read = read(&disk, length, is_cold)?;
            let hashed = hash(&disk, length)?;
            let written = copy(directory.path(), length)?;
            let (taken, cpu) = ingest(directory.path(), &disk, length, is_cold).await?;
            // The first one warms up.
            if round > 0 {
                ratios.push(taken.as_secs_f64() / read.max(hashed).as_secs_f64());
                of_disk.push(taken.as_secs_f64() / read.max(hashed).max(written).as_secs_f64());
                for (times, took) in times.iter_mut().zip([read, hashed, written, taken, cpu]) {
                    times.push(took.as_secs_f64());
                }
            }
        }
        let [read, hashed, written, taken, cpu] = times.map(median);
        let (ratio, of_disk) = (median(ratios), median(of_disk));
        let cache = if is_cold { "disk" } else { "page cache" };
        say(&format!(
            "ingest of {mib} MiB from the {cache}: {ratio:.3} (goal {GOAL}), {of_disk:.3} with the disk's \
             writing; medians of {rounds}: read {read:.3} s, sha-256 {hashed:.3} s, written {written:.3} s, \
             ingest {taken:.3} s with {cpu:.3} s of processors"
        ));
    }
    Ok(())
}

#[expect(clippy::print_stdout, reason = "a bench is for people to read")]
fn say(words: &str) {
    println!("{words}");
}

/// Of all threads, until now: on a busy machine it tells more than the time does.
fn cpu() -> Duration {
    let spent = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    let number = |number: i64| u64::try_from(number).unwrap_or_default();
    Duration::from_secs(number(spent.tv_sec)) + Duration::from_nanos(number(spent.tv_nsec))
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn read(disk: &Path, length: u64, is_cold: bool) -> io::Result<Duration> {
    forget(disk, is_cold)?;
    let start = Instant::now();
    each(disk, length, |_| ())?;
    Ok(start.elapsed())
}

/// Of what is in the page cache: the reading is taken off.
fn hash(disk: &Path, length: u64) -> io::Result<Duration> {
    let (mut hasher, mut took) = (Hasher::default(), Duration::ZERO);
    each(disk, length, |bytes| {
        let start = Instant::now();
        hasher.update(bytes);
        took += start.elapsed();
    })?;
    std::hint::black_box(hasher.finish());
    Ok(took)
}

/// As many bytes as are to be stored, onto the same disk, as fast as it takes them.
fn copy(directory: &Path, length: u64) -> io::Result<Duration> {
    let (path, bytes) = (directory.join("written"), vec![1; BUFFER_BYTES]);
    let start = Instant::now();
    let mut file = File::create(&path)?;
    for _ in 0..length / BUFFER_BYTES as u64 {
        file.write_all(&bytes)?;
    }
    file.sync_all()?;
    let took = start.elapsed();
    std::fs::remove_file(path)?;
    Ok(took)
}

fn each(disk: &Path, length: u64, mut take: impl FnMut(&[u8])) -> io::Result<()> {
    use std::os::unix::fs::FileExt as _;
    let (file, mut buffer, mut at) = (File::open(disk)?, vec![0; BUFFER_BYTES], 0);
    while at < length {
        let left = usize::try_from(length - at).unwrap_or(usize::MAX).min(BUFFER_BYTES);
        file.read_exact_at(&mut buffer[..left], at)?;
        take(&buffer[..left]);
        at += left as u64;
    }
    Ok(())
}

fn forget(disk: &Path, is_cold: bool) -> io::Result<()> {
    if is_cold {
        let file = File::open(disk)?;
        file.sync_all()?;
        fadvise(&file, 0, None, Advice::DontNeed)?;
    }
    Ok(())
}

/// How long it took, and of the processors.
async fn ingest(
    directory: &Path,
    disk: &Path,
    length: u64,
    is_cold: bool,
) -> io::Result<(Duration, Duration)> {
    let home = tempfile::tempdir_in(directory)?;
    let images = images(Store::open(home.path(), Limits::default()).map_err(io::Error::other)?);
    let maker = Maker::new("local", "job").map_err(io::Error::other)?;
    forget(disk, is_cold)?;
    let (start, before) = (Instant::now(), cpu());
    let built = images.ingest_build(&maker, File::open(disk)?, length).await;
    let (took, spent) = (start.elapsed(), cpu().saturating_sub(before));
    built.map_err(io::Error::other)?;
    Ok((took, spent))
}

/// An image of this size, all of it layers that nothing packs any smaller.
fn write(disk: &Path, mib: usize) -> io::Result<u64> {
    let (mut builder, mut random) = (tar::Builder::new(File::create(disk)?), 1_u64);
    let (mut layers, mut diffs) = (Vec::new(), Vec::new());
    for _ in 0..LAYERS {
        let layer: Vec<u8> =
            (0..(mib << 20) / LAYERS / 8).flat_map(|_| next(&mut random)).collect();
        layers.push(blob(&mut builder, media::OCI_LAYER, &layer)?);
        diffs.push(Digest::of(&layer));
    }
    let config = json!({"os": "linux", "architecture": "amd64", "rootfs": {"diff_ids": diffs}});
    let config = blob(&mut builder, media::OCI_CONFIG, config.to_string().as_bytes())?;
    let manifest = json!({
        "schemaVersion": 2, "mediaType": media::OCI_MANIFEST, "config": config, "layers": layers,
    });
    let manifest = blob(&mut builder, media::OCI_MANIFEST, manifest.to_string().as_bytes())?;
    let index = json!({"schemaVersion": 2, "manifests": [manifest]});
    append(&mut builder, "index.json", index.to_string().as_bytes())?;
    append(&mut builder, "oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#)?;
    let mut file = builder.into_inner()?;
    file.flush()?;
    file.sync_all()?;
    Ok(file.metadata()?.len())
}

fn blob(builder: &mut tar::Builder<File>, media_type: &str, bytes: &[u8]) -> io::Result<Value> {
    let digest = Digest::of(bytes);
    append(builder, &format!("blobs/sha256/{}", digest.hex()), bytes)?;
    Ok(json!({"mediaType": media_type, "digest": digest, "size": bytes.len()}))
}

fn append(builder: &mut tar::Builder<File>, path: &str, bytes: &[u8]) -> io::Result<()> {
    let mut header = tar::Header::new_ustar();
    header.set_size(bytes.len() as u64);
    header.set_mode(0o644);
    builder.append_data(&mut header, path, bytes)
}

/// `SplitMix64`.
fn next(state: &mut u64) -> [u8; 8] {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (mixed ^ (mixed >> 31)).to_le_bytes()
}

fn images(store: Store) -> Images {
    let upstream = Upstream::new(upstream::Config::default(), Arc::new(Nowhere));
    let mirror = Mirror::new(store.clone(), upstream.clone(), mirror::Config::default());
    let config = Config { rights_age: Duration::from_secs(3600), is_offline: true };
    Images::new(store, mirror, upstream, config)
}

struct Nowhere;

#[async_trait]
impl Resolve for Nowhere {
    async fn resolve(&self, _: &str) -> io::Result<Vec<IpAddr>> {
        Err(io::Error::other("a bench asks nobody"))
    }
}
