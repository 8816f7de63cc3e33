//! Disks taken over: sparse, too long, on a full host, stopped, repeated.

use std::{
    fs::{self, File},
    os::unix::fs::{FileExt as _, MetadataExt as _, symlink},
    path::{Path, PathBuf},
    sync::atomic::AtomicBool,
    time::Duration,
};

use super::{
    IngestError, OutputError, OutputReader, Outputs,
    copy::{CopyError, copy},
    ingest,
};
use crate::{
    digest::Hasher,
    job::{JobId, OutputRecord},
    small_disk::SmallDisk,
};

struct Host {
    directory: tempfile::TempDir,
    job: JobId,
    outputs: Outputs,
}

impl Host {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let job = JobId::generate();
        fs::create_dir(directory.path().join(job.as_str())).unwrap();
        let outputs = Outputs::new(directory.path().to_owned());
        Self { directory, job, outputs }
    }

    fn target(&self) -> PathBuf {
        self.outputs.path(&self.job, "out")
    }

    /// A disk of so many bytes, with data in it here and there.
    fn disk(&self, bytes: u64, data: &[(u64, &[u8])]) -> PathBuf {
        let path = self.directory.path().join("disk.raw");
        let file = File::create(&path).unwrap();
        file.set_len(bytes).unwrap();
        for (at, data) in data {
            file.write_all_at(data, *at).unwrap();
        }
        path
    }

    fn left(&self) -> Vec<String> {
        names(&self.outputs.directory(&self.job))
    }

    fn try_read(&self, output: &OutputRecord, offset: u64) -> Result<OutputReader, OutputError> {
        self.outputs.read(&self.job, output, offset, self.outputs.reading(&self.job))
    }

    async fn read(&self, output: &OutputRecord, offset: u64) -> Vec<u8> {
        let mut reader = self.try_read(output, offset).unwrap();
        let mut bytes = Vec::new();
        while let Some(part) = reader.next().await.unwrap() {
            assert!(part.len() <= 64 << 10);
            bytes.extend_from_slice(&part);
        }
        bytes
    }
}

fn names(directory: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

fn digest(bytes: &[u8]) -> String {
    let mut hasher = Hasher::default();
    hasher.update(bytes);
    hasher.finish()
}

#[tokio::test]
async fn what_is_kept_is_the_disks_beginning_hashed() {
    let host = Host::new();
    let data = [7; 5000];
    let disk = host.disk(1 << 20, &[(0, &data), (300_000, &data)]);
    let whole = fs::read(&disk).unwrap();
    for length in [0, 1, 4096, 5000, 4999, 100_000, 302_500, 1 << 20] {
        let expected = &whole[..length];
        let output = ingest(&disk, length as u64, &host.target()).await.unwrap();
        let record = OutputRecord {
            name: "out".to_owned(),
            size_bytes: length as u64,
            digest: digest(expected),
            expired: false,
        };
        assert_eq!(output, record, "and again over what was there");
        assert_eq!(host.left(), ["out"]);
        for offset in [0, length / 2, length] {
            assert_eq!(host.read(&output, offset as u64).await, &expected[offset..]);
        }
        let behind = host.try_read(&output, length as u64 + 1);
        assert!(matches!(behind, Err(OutputError::Behind { .. })));
    }
}

#[tokio::test]
async fn holes_stay_holes_and_count_as_zeros() {
    let host = Host::new();
    let (bytes, end) = (256 << 20, (256 << 20) - 3);
    let disk = host.disk(bytes, &[(100 << 20, b"island"), (end, b"end")]);
    let output = ingest(&disk, bytes, &host.target()).await.unwrap();
    let mut hasher = Hasher::default();
    hasher.zeros(100 << 20);
    hasher.update(b"island");
    hasher.zeros(end - (100 << 20) - 6);
    hasher.update(b"end");
    assert_eq!(output.digest, hasher.finish());
    let metadata = fs::metadata(host.target()).unwrap();
    assert_eq!(metadata.len(), bytes);
    assert!(metadata.blocks() * 512 < 1 << 20, "{} blocks", metadata.blocks());
    assert_eq!(host.read(&output, end).await, b"end");
}

#[tokio::test]
async fn only_the_regular_file_that_is_long_enough_is_a_disk() {
    let host = Host::new();
    let disk = host.disk(4096, &[]);
    let error = ingest(&disk, 4097, &host.target()).await.unwrap_err();
    assert!(matches!(error, IngestError::TooLong { length: 4097, disk_bytes: 4096 }), "{error}");
    let link = host.directory.path().join("link");
    symlink(&disk, &link).unwrap();
    let error = ingest(&link, 1, &host.target()).await.unwrap_err();
    assert!(matches!(error, IngestError::Read { .. }), "{error}");
    let missing = host.directory.path().join("missing");
    let error = ingest(&missing, 0, &host.target()).await.unwrap_err();
    assert!(matches!(error, IngestError::Read { .. }), "{error}");
    let error = ingest(host.directory.path(), 0, &host.target()).await.unwrap_err();
    assert!(matches!(error, IngestError::NotADisk { .. }), "{error}");
    let pipe = host.directory.path().join("pipe");
    rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RWXU).unwrap();
    let error = ingest(&pipe, 0, &host.target()).await.unwrap_err();
    assert!(matches!(error, IngestError::NotADisk { .. }), "{error}");
    assert_eq!(host.left(), Vec::<String>::new());
}

#[tokio::test]
async fn no_planted_link_is_followed() {
    let host = Host::new();
    let disk = host.disk(4096, &[(0, b"output")]);
    let victim = host.directory.path().join("victim");
    fs::write(&victim, "precious").unwrap();
    let directory = host.outputs.directory(&host.job);
    fs::create_dir(&directory).unwrap();
    symlink(&victim, directory.join("out.partial")).unwrap();
    symlink(&victim, directory.join("out")).unwrap();
    let output = ingest(&disk, 6, &host.target()).await.unwrap();
    assert_eq!(host.read(&output, 0).await, b"output");
    assert_eq!(fs::read(&victim).unwrap(), b"precious");
    fs::remove_file(host.target()).unwrap();
    symlink(&victim, host.target()).unwrap();
    assert!(matches!(host.try_read(&output, 0), Err(OutputError::Io { .. })));
    fs::remove_dir_all(&directory).unwrap();
    symlink(host.directory.path(), &directory).unwrap();
    let error = ingest(&disk, 6, &host.target()).await.unwrap_err();
    assert!(matches!(error, IngestError::Write { .. }), "{error}");
}

#[tokio::test]
async fn a_full_host_is_said_leaves_nothing_and_heals() {
    let host = Host::new();
    let content = vec![9; 6 * 4096];
    let disk = host.disk(1 << 20, &[(0, &content)]);
    let length = content.len() as u64;
    let mut refusals = 0;
    for (pages, inodes) in (1..9).map(|pages| (pages, 100)).chain((2..6).map(|it| (100, it))) {
        let small = SmallDisk::new(pages * 4096, inodes);
        let job = small.path().join("job");
        fs::create_dir(&job).unwrap();
        let target = job.join("outputs").join("out");
        match ingest(&disk, length, &target).await {
            Ok(output) => assert_eq!(output.digest, digest(&content)),
            Err(error) => {
                refusals += 1;
                let full = matches!(error, IngestError::DiskFull { length: 24_576 });
                assert!(full, "{pages} pages, {inodes} inodes: {error}");
                assert_eq!(names(&job.join("outputs")), Vec::<String>::new());
            }
        }
    }
    assert!(refusals >= 7, "{refusals}");
    let small = SmallDisk::new(8 * 4096, 100);
    fs::create_dir(small.path().join("job")).unwrap();
    fs::write(small.path().join("neighbour"), &content).unwrap();
    let target = small.path().join("job").join("outputs").join("out");
    assert!(matches!(ingest(&disk, length, &target).await, Err(IngestError::DiskFull { .. })));
    fs::remove_file(small.path().join("neighbour")).unwrap();
    assert!(ingest(&disk, length, &target).await.is_ok());
}

#[tokio::test]
async fn a_copy_that_nobody_waits_for_stops_and_leaves_nothing() {
    let host = Host::new();
    // A hole that would be hashed for minutes.
    let disk = host.disk(1 << 40, &[(0, b"begin")]);
    let target = host.target();
    let ingest = ingest(&disk, 1 << 40, &target);
    assert!(tokio::time::timeout(Duration::from_millis(50), ingest).await.is_err());
    let limit = tokio::time::Instant::now() + Duration::from_secs(20);
    while !host.left().is_empty() {
        assert!(tokio::time::Instant::now() < limit, "{:?}", host.left());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[test]
fn a_disk_that_cannot_be_read_is_an_error_of_the_disk() {
    let directory = tempfile::tempdir().unwrap();
    let to = File::create(directory.path().join("to")).unwrap();
    // The kernel answers EIO to a read of its first page, and knows no holes in it.
    let unreadable = File::open("/proc/self/mem").unwrap();
    let error = copy(&unreadable, &to, 4096, &AtomicBool::new(false)).unwrap_err();
    assert!(matches!(&error, CopyError::Read(io) if io.raw_os_error() == Some(5)), "{error:?}");
    let read_only = File::open(directory.path().join("to")).unwrap();
    let from = directory.path().join("from");
    fs::write(&from, "bytes").unwrap();
    let error = copy(&File::open(from).unwrap(), &read_only, 5, &AtomicBool::new(false));
    assert!(matches!(error, Err(CopyError::Write(_))), "{error:?}");
}

#[tokio::test]
async fn an_output_that_expires_under_a_reader_is_read_to_its_end() {
    let host = Host::new();
    let content = vec![3; 200_000];
    let disk = host.disk(1 << 20, &[(0, &content)]);
    let output = ingest(&disk, 200_000, &host.target()).await.unwrap();
    assert!(!host.outputs.is_read(&host.job));
    let mut first = host.try_read(&output, 0).unwrap();
    let second = host.try_read(&output, 0).unwrap();
    drop(second);
    assert!(host.outputs.is_read(&host.job));
    host.outputs.remove(&host.job).unwrap();
    let mut bytes = Vec::new();
    while let Some(part) = first.next().await.unwrap() {
        bytes.extend_from_slice(&part);
    }
    assert_eq!(bytes, content);
    drop(first);
    assert!(!host.outputs.is_read(&host.job));
    assert!(matches!(host.try_read(&output, 0), Err(OutputError::Damaged)));
    let expired = OutputRecord { expired: true, ..output };
    assert!(matches!(host.try_read(&expired, 0), Err(OutputError::Expired)));
    host.outputs.remove(&host.job).unwrap();
}

#[tokio::test]
async fn an_output_that_was_altered_on_disk_is_not_handed_out() {
    let host = Host::new();
    let disk = host.disk(4096, &[(0, b"output")]);
    let output = ingest(&disk, 6, &host.target()).await.unwrap();
    File::options().write(true).open(host.target()).unwrap().set_len(5).unwrap();
    assert!(matches!(host.try_read(&output, 0), Err(OutputError::Damaged)));
}

#[tokio::test]
async fn what_a_machine_is_given_is_what_the_record_says() {
    let host = Host::new();
    let disk = host.disk(4096, &[(0, b"root")]);
    let output = ingest(&disk, 4096, &host.target()).await.unwrap();
    let share = |output: &OutputRecord| host.outputs.share(&host.job, output);
    assert_eq!(share(&output).unwrap(), host.target());
    assert_eq!(fs::metadata(host.target()).unwrap().mode() & 0o777, 0o644);
    let expired = OutputRecord { expired: true, ..output.clone() };
    assert!(matches!(share(&expired), Err(OutputError::Expired)));
    File::options().write(true).open(host.target()).unwrap().set_len(4095).unwrap();
    assert!(matches!(share(&output), Err(OutputError::Damaged)));
    fs::remove_file(host.target()).unwrap();
    assert!(matches!(share(&output), Err(OutputError::Damaged)));
    symlink(&disk, host.target()).unwrap();
    assert!(share(&output).is_err());
    fs::remove_file(host.target()).unwrap();
    // Nobody ever writes to it.
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    let kind = rustix::fs::FileType::Fifo;
    rustix::fs::mknodat(rustix::fs::CWD, host.target(), kind, mode, 0).unwrap();
    assert!(matches!(share(&output), Err(OutputError::Damaged)));
}
