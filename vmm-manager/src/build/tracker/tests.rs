use std::path::Path;

use bytes::Bytes;
use kiln_proto::agent::v1::{self, build_event::Event as Wire};

use super::{TrackError, Tracker};
use crate::{
    build::frame::tests::{frame, log_frame},
    log::{LogQuota, LogWriter},
};

fn step(number: u32, name: &str) -> Vec<u8> {
    let name = name.to_owned();
    frame(Wire::Step(v1::BuildStep { number, name, ..v1::BuildStep::default() }))
}

async fn opened(directory: &Path) -> (LogWriter, Tracker) {
    let quota = LogQuota { head_bytes: 3000, tail_segment_bytes: 1500 };
    let (writer, log) = LogWriter::open(directory.into(), quota).await.unwrap();
    let tracker = Tracker::of(&log).await.unwrap();
    (writer, tracker)
}

/// A guest's stream, cut anywhere, by a kilnd that is killed after any piece: the next one asks for
/// what is behind the log's end, and has the same graph.
#[tokio::test]
async fn a_later_kilnd_goes_on_at_a_whole_event() {
    let row: Vec<Vec<u8>> = (1..60)
        .flat_map(|number| {
            [step(number, "begun"), log_frame(number, b"output"), step(number, "over")]
        })
        .collect();
    let stream = row.concat();
    for size in [1, 13, 700] {
        let directory = tempfile::tempdir().unwrap();
        let mut offset = 0;
        while offset < stream.len() {
            let (mut log, mut tracker) = opened(directory.path()).await;
            assert_eq!(log.end_offset(), offset as u64);
            // Two pieces, and what is left of the second goes with it.
            for piece in stream[offset..].chunks(size.max(20)).take(2) {
                tracker.append(Bytes::copy_from_slice(piece), &mut log).await.unwrap();
            }
            offset = usize::try_from(log.end_offset()).unwrap();
        }
        let (_, tracker) = opened(directory.path()).await;
        // What the quota dropped is known again at a build's end.
        let record = tracker.live().borrow().clone();
        let last = record.steps.last().unwrap();
        assert_eq!((last.number, last.name.as_str()), (59, "over"));
        assert!(tracker.tail().ends_with(b"output"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_graph_is_published_at_a_pace() {
    let directory = tempfile::tempdir().unwrap();
    let (mut log, mut tracker) = opened(directory.path()).await;
    let mut live = tracker.live();
    live.mark_unchanged();
    for number in 1..100 {
        tracker.append(step(number, "n").into(), &mut log).await.unwrap();
    }
    tokio::time::sleep_until(tracker.due().unwrap()).await;
    tracker.publish();
    assert!(live.has_changed().unwrap());
    assert_eq!(live.borrow_and_update().steps.len(), 99);
    assert_eq!(tracker.due(), None);
    tracker.append(log_frame(1, b"x").into(), &mut log).await.unwrap();
    assert_eq!(tracker.due(), None, "output changes no graph");
}

#[tokio::test]
async fn what_is_no_event_is_not_logged_and_what_came_before_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let (mut log, mut tracker) = opened(directory.path()).await;
    let good = step(1, "n");
    let bytes = [&good[..], &[5, 0x0a, 3, 0x1a, 1, 0xff], &good[..]].concat();
    let error = tracker.append(bytes.into(), &mut log).await.unwrap_err();
    assert!(matches!(error, TrackError::Frame(_)), "{error}");
    assert_eq!(log.end_offset(), good.len() as u64);
}
