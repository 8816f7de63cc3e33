//! Logs whose writer was killed, or whose host lost power, at every place.

use proptest::{prelude::*, sample::Index, test_runner::TestRunner};

use super::*;
use crate::log::{OpenError, segment};

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
    }
}

/// What stands behind a cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Behind {
    Nothing,
    /// As a file system leaves what it had no time to write.
    Zeros,
    Junk,
}

/// The log in a copy of `directory` whose file `number` is whole up to `length` only.
async fn cut(
    directory: &Path,
    number: u64,
    length: usize,
    behind: Behind,
    quota: LogQuota,
) -> Stored {
    let work = tempfile::tempdir().unwrap();
    copy(directory, work.path());
    let path = segment::path(work.path(), number);
    let mut bytes = fs::read(&path).unwrap();
    match behind {
        Behind::Nothing => bytes.truncate(length),
        Behind::Zeros => bytes[length..].fill(0),
        Behind::Junk => bytes[length..].iter_mut().for_each(|byte| *byte ^= 0x55),
    }
    fs::write(&path, bytes).unwrap();
    let survived = {
        let closed = Log::closed(work.path().into()).await.unwrap();
        whole(&closed).await
    };
    let (mut writer, log) = reopened(work.path(), quota).await;
    assert_eq!(whole(&log).await, survived, "what is only looked at is what is opened");
    // It goes on, over a restart, too.
    append(&mut writer, 11).await;
    drop(writer);
    let (mut writer, log) = reopened(work.path(), quota).await;
    append(&mut writer, 12).await;
    assert_eq!(whole(&log).await.end, survived.end + 23);
    survived
}

async fn written(directory: &Path, quota: LogQuota, lengths: &[usize]) -> Stored {
    let (mut writer, log) = LogWriter::create(directory.into(), quota);
    for length in lengths {
        append(&mut writer, *length).await;
    }
    whole(&log).await
}

/// Cuts the last segment at every byte: what is left ends with a record that was whole.
async fn check_every_cut(quota: LogQuota, lengths: &[usize]) {
    let directory = tempfile::tempdir().unwrap();
    let complete = written(directory.path(), quota, lengths).await;
    let last = *segment::numbers(directory.path()).unwrap().last().unwrap();
    let file_bytes = fs::metadata(segment::path(directory.path(), last)).unwrap().len();
    let file_bytes = usize::try_from(file_bytes).unwrap();
    let mut ends = Vec::new();
    for length in 0..=file_bytes {
        let survived = cut(directory.path(), last, length, Behind::Nothing, quota).await;
        if length < file_bytes {
            for behind in [Behind::Zeros, Behind::Junk] {
                let same = cut(directory.path(), last, length, behind, quota).await;
                assert_eq!(same, survived, "{behind:?} behind {length}");
            }
        }
        ends.push(survived.end);
    }
    assert!(ends.is_sorted(), "more of the file is never less of the log");
    assert_eq!(ends.last(), Some(&complete.end));
    ends.dedup();
    let begin = ends[0];
    assert!(begin == 0 || complete.ends.contains(&begin), "{begin}");
    // Each record of the segment came at some cut, and nothing between two of them.
    let records = complete.ends.iter().copied().filter(|end| *end >= begin);
    assert!(ends.iter().copied().filter(|end| *end > 0).eq(records), "{ends:?}");
}

fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

fn quotas() -> impl Strategy<Value = LogQuota> {
    let bytes = 60..400_u64;
    (bytes.clone(), bytes)
        .prop_map(|(head_bytes, tail_segment_bytes)| LogQuota { head_bytes, tail_segment_bytes })
}

fn run<S: Strategy>(cases: u32, input: &S, check: impl Fn(S::Value)) {
    let mut runner = TestRunner::new(ProptestConfig::with_cases(cases));
    runner
        .run(input, |input| {
            check(input);
            Ok(())
        })
        .unwrap();
}

#[test]
fn a_torn_end_is_cut_off_at_a_record() {
    let lengths = proptest::collection::vec(1..60_usize, 1..20);
    run(5, &(quotas(), lengths), |(quota, lengths)| block_on(check_every_cut(quota, &lengths)));
}

/// What was never synced may be missing anywhere after a loss of power: the tails in any part, and
/// the newest of them altogether. The head is synced before there is a tail.
#[test]
fn a_loss_of_power_leaves_a_beginning() {
    let lengths = proptest::collection::vec(1..60_usize, 1..60);
    let losses = proptest::collection::vec((any::<Index>(), 0..3_usize), 3);
    run(500, &(quotas(), lengths, losses), |(quota, lengths, losses)| {
        block_on(async {
            let directory = tempfile::tempdir().unwrap();
            let complete = written(directory.path(), quota, &lengths).await;
            let numbers = segment::numbers(directory.path()).unwrap();
            for (number, (at, how)) in numbers.iter().zip(losses) {
                if *number == 0 && numbers.len() > 1 {
                    continue;
                }
                let path = segment::path(directory.path(), *number);
                let mut bytes = fs::read(&path).unwrap();
                let at = at.index(bytes.len() + 1);
                match how {
                    0 => bytes.truncate(at),
                    1 => bytes[at..].fill(0),
                    // One page that was not written among others that were.
                    _ => bytes.iter_mut().skip(at).take(64).for_each(|byte| *byte = 0),
                }
                fs::write(&path, bytes).unwrap();
            }
            let (_, log) = reopened(directory.path(), quota).await;
            let survived = whole(&log).await;
            assert!(survived.end <= complete.end);
            // Also where a record ends that the quota dropped: what stood behind it is torn.
            let boundaries = lengths.iter().scan(0, |end, length| {
                *end += *length as u64;
                Some(*end)
            });
            assert!(survived.end == 0 || boundaries.into_iter().any(|end| end == survived.end));
            assert_eq!(survived.ends, complete.ends[..survived.ends.len()]);
        });
    });
}

/// A kill at any moment: whatever comes between two steps, the next daemon finds the same log.
#[test]
fn a_log_goes_on_over_any_number_of_restarts() {
    let lives = proptest::collection::vec(
        (proptest::collection::vec(1..60_usize, 0..12), any::<bool>()),
        1..8,
    );
    run(60, &(quotas(), lives), |(quota, lives)| {
        block_on(async {
            let directory = tempfile::tempdir().unwrap();
            let mut last = Stored::default();
            for (lengths, seal) in lives {
                let (mut writer, log) = reopened(directory.path(), quota).await;
                assert_eq!(whole(&log).await, last);
                for length in lengths {
                    append(&mut writer, length).await;
                    let bound = quota.head_bytes + 2 * quota.tail_segment_bytes;
                    // A record that is longer than its segment has one of its own.
                    assert!(on_disk(directory.path()) <= bound + 3 * 120);
                }
                if seal {
                    writer.seal().await.unwrap();
                }
                last = whole(&log).await;
                let closed = Log::closed(directory.path().into()).await.unwrap();
                assert_eq!(whole(&closed).await, last);
            }
        });
    });
}

/// The oldest is removed after the newest is there.
#[tokio::test]
async fn a_segment_too_many_is_removed() {
    let directory = tempfile::tempdir().unwrap();
    let lengths = [40; 60];
    let complete = written(directory.path(), SMALL, &lengths).await;
    let (mut writer, log) = reopened(directory.path(), SMALL).await;
    let before = tempfile::tempdir().unwrap();
    let numbers = segment::numbers(directory.path()).unwrap();
    copy(directory.path(), before.path());
    while segment::numbers(directory.path()).unwrap() == numbers {
        append(&mut writer, 40).await;
    }
    // The one that went is put back.
    fs::copy(segment::path(before.path(), numbers[1]), segment::path(directory.path(), numbers[1]))
        .unwrap();
    let expected = whole(&log).await;
    assert!(expected.end > complete.end);
    drop(writer);
    let (_, log) = reopened(directory.path(), SMALL).await;
    assert_eq!(whole(&log).await, expected);
    assert_eq!(segment::numbers(directory.path()).unwrap().len(), 3);
}

#[tokio::test]
async fn a_reader_goes_on_where_it_was_before_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let (mut writer, log) = LogWriter::create(directory.path().into(), LogQuota::default());
    append(&mut writer, 100).await;
    let mut reader = log.read_from(0);
    reader.next_stored().await.unwrap();
    let offset = reader.offset();
    append(&mut writer, 50).await;
    drop((writer, log, reader));
    let (mut writer, log) = reopened(directory.path(), LogQuota::default()).await;
    let mut reader = log.read_from(offset);
    append(&mut writer, 25).await;
    drop(writer);
    let mut end = offset;
    while let Some(LogEvent::Chunk { offset, data, .. }) = reader.next_followed().await.unwrap() {
        assert_eq!((offset, &data[..]), (end, &bytes_at(end, data.len())[..]));
        end += data.len() as u64;
    }
    assert_eq!(end, 175);
}

/// What only a hand or a broken disk can have done is told, and not repaired.
#[tokio::test]
async fn a_damaged_log_is_not_opened() {
    async fn check(harm: impl FnOnce(&Path), expected: &str) {
        let directory = tempfile::tempdir().unwrap();
        written(directory.path(), SMALL, &[40; 60]).await;
        harm(directory.path());
        let names = || segment::numbers(directory.path()).unwrap();
        let before = names();
        let error = LogWriter::open(directory.path().into(), SMALL).await.unwrap_err();
        assert!(matches!(error, OpenError::Damaged { .. }));
        assert!(error.to_string().contains(expected), "{error}");
        assert_eq!(names(), before, "nothing is removed");
    }
    let numbers = |directory: &Path| segment::numbers(directory).unwrap();
    let head = |directory: &Path| segment::path(directory, 0);
    let edit = |path: std::path::PathBuf, edit: fn(&mut Vec<u8>)| {
        let mut bytes = fs::read(&path).unwrap();
        edit(&mut bytes);
        fs::write(path, bytes).unwrap();
    };
    check(|at| fs::remove_file(head(at)).unwrap(), "first segment is missing").await;
    check(|at| edit(head(at), Vec::clear), "first segment is not one").await;
    check(|at| edit(head(at), |bytes| bytes.truncate(200)), "end of its first segment").await;
    check(|at| edit(head(at), |bytes| bytes[100] ^= 1), "end of its first segment").await;
    check(|at| edit(head(at), |bytes| bytes[7] = b'2'), "another kilnd's format").await;
    check(
        |at| {
            let last = segment::path(at, *numbers(at).last().unwrap());
            fs::copy(last, segment::path(at, 99)).unwrap();
        },
        "another's name",
    )
    .await;
}
