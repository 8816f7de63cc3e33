//! Thousands of disks that were honest ones: whatever a guest writes is an image, whole, or refused as
//! its own fault, and nothing is left of it.
//!
//! A failure names its seed, which alone makes the case again: `KILN_SEED=n` plays only that one.

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    path::{Path, PathBuf},
};

use kiln_registry::{
    digest::Digest,
    operate::{Fault, Form},
    store::{Limits, Store},
};

use super::given::{exported, maker};
use crate::{
    stage::{Stage, TENANT},
    tars::image,
};

/// `SplitMix64`: its whole state is its seed.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).expect("less than `end`")
    }
}

fn honest() -> Vec<Vec<u8>> {
    let exported = exported("app", 1);
    let plain = image("app", 2).layout(Some("local/app:1")).bytes();
    vec![exported.bytes(), exported.documents_first(), plain]
}

const WORDS: [&[u8]; 9] = [
    b"blobs/sha256/",
    b"index.json",
    b"sha256:",
    b"\"size\":0",
    b"manifests",
    b"\0\0\0\0\0\0\0\0",
    b"77777777777",
    b"ustar",
    b"99999999999999999999",
];

fn case(seed: u64, honest: &[Vec<u8>]) -> Vec<u8> {
    let mut random = Random(seed);
    let mut bytes = honest[random.below(honest.len())].clone();
    for _ in 0..random.below(4) {
        let at = random.below(bytes.len() + 1);
        match random.below(6) {
            0 if random.below(4) == 0 => bytes.truncate(at),
            // A block of the tar goes, or comes twice.
            1 | 2 if at + 512 <= bytes.len() => {
                let block = at / 512 * 512;
                let blocks = bytes[block..block + 512].to_vec();
                if random.below(2) == 0 {
                    bytes.drain(block..block + 512);
                } else {
                    bytes.splice(block..block, blocks);
                }
            }
            3 if at < bytes.len() => bytes[at] = random.next().to_le_bytes()[0],
            4 => {
                let word = WORDS[random.below(WORDS.len())];
                let end = bytes.len().min(at + word.len());
                bytes.splice(at..end, word.iter().copied());
            }
            _ => header(&mut bytes, &mut random),
        }
    }
    bytes
}

/// Another header, whose checksum is its own.
fn header(bytes: &mut [u8], random: &mut Random) {
    let block = random.below(bytes.len() / 512 + 1) * 512;
    let Some(block) = bytes.get_mut(block..block + 512) else { return };
    let at = [0, 100, 124, 156, 157, 257, 345][random.below(7)] + random.below(12);
    block[at] = b"0123456789xgLKSV/\0"[random.below(18)];
    block[148..156].fill(b' ');
    let sum: u32 = block.iter().copied().map(u32::from).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}

#[tokio::test]
async fn disks_by_the_thousand() {
    let honest = honest();
    let seeds = match env::var("KILN_SEED") {
        Ok(seed) => {
            let seed: u64 = seed.parse().expect("a seed");
            seed..seed + 1
        }
        Err(_) if env::var_os("KILN_FULL").is_some_and(|value| value == "1") => 0..500_000,
        Err(_) => 0..20_000,
    };
    let count = seeds.end - seeds.start;
    // In memory where there is such a place: no sync is waited for.
    let shared = Path::new("/dev/shm");
    let place = if shared.is_dir() { shared.to_owned() } else { env::temp_dir() };
    let directory = tempfile::tempdir_in(place).unwrap();
    let stage = Stage::on(Store::open(directory.path(), Limits::default()).unwrap());
    let mut taken = Taken::default();
    for disk in corpus(&honest) {
        taken.play(&stage, &disk, u64::MAX).await;
    }
    let mut ends = BTreeMap::new();
    for seed in seeds {
        let end = taken.play(&stage, &case(seed, &honest), seed).await;
        *ends.entry(end).or_insert(0_u64) += 1;
    }
    let checked = stage.store.check(true).await.unwrap();
    assert_eq!((checked.dropped, checked.problems), (Vec::new(), Vec::new()));
    // A net that catches nothing proves nothing.
    let are_both = ends.len() == 2 && ends.values().all(|times| *times * 20 > count);
    assert!(count == 1 || are_both, "{ends:?}");
}

/// What the fuzz target starts from, and what it found. `KILN_BLESS=1` writes the honest ones.
fn corpus(honest: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let directory: PathBuf =
        [env!("CARGO_MANIFEST_DIR"), "fuzz", "corpus", "ingest"].iter().collect();
    if env::var_os("KILN_BLESS").is_some() {
        for (number, bytes) in honest.iter().enumerate() {
            fs::write(directory.join(format!("honest-{number:02}")), bytes).expect("a case");
        }
    }
    let entries = fs::read_dir(directory).expect("a corpus");
    let cases: Vec<_> =
        entries.map(|entry| fs::read(entry.expect("an entry").path()).expect("a case")).collect();
    assert!(cases.len() >= honest.len(), "{} cases", cases.len());
    cases
}

/// What was taken stays: each image once.
#[derive(Default)]
struct Taken {
    seen: BTreeSet<Digest>,
    bytes: u64,
}

impl Taken {
    async fn play(&mut self, stage: &Stage, disk: &[u8], seed: u64) -> &'static str {
        let end = match stage.ingest(disk).await {
            Ok(built) => {
                let digest = built.root.digest;
                if self.seen.insert(digest) {
                    // All of it is there.
                    let plan = stage.images.plan_build(&maker(), digest, Form::Oci, &[]).await;
                    let plan = plan.unwrap_or_else(|error| panic!("KILN_SEED={seed}: {error}"));
                    plan.digest().await.unwrap_or_else(|error| panic!("KILN_SEED={seed}: {error}"));
                    self.bytes = stage.store.usage(TENANT).await.unwrap().stored;
                }
                "taken"
            }
            Err(error) => {
                assert_eq!(error.fault(), Fault::Content, "KILN_SEED={seed}: {error}");
                "refused"
            }
        };
        let usage = stage.store.usage(TENANT).await.unwrap();
        assert_eq!((usage.stored, usage.in_flight), (self.bytes, 0), "KILN_SEED={seed}: {end}");
        end
    }
}
