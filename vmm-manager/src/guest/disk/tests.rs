use kiln_proto::agent::v1::{DiskDone, DiskProgress, DiskRefused, DiskResponse};

use super::*;

fn progress(bytes: u64) -> Event {
    Event::Progress(DiskProgress { bytes })
}

fn done(length_bytes: u64) -> Event {
    Event::Done(DiskDone { length_bytes })
}

fn refused(reason: i32) -> Event {
    Event::Refused(DiskRefused { reason, message: "no\u{1b}[31m".into() })
}

/// Of a disk of 100 bytes. `expected` is what the breach is called, or else how it ended.
fn check(events: impl IntoIterator<Item = Event>, expected: &str) {
    let mut disk = Progress { bytes: 0, most: 100 };
    let mut told = String::new();
    for event in events {
        assert_eq!(told, "", "ended before the last event");
        told = match disk.admit(DiskResponse { event: Some(event) }) {
            Ok(None) => String::new(),
            Ok(Some(end)) => format!("{end:?}"),
            Err(error) => error.to_string(),
        };
    }
    assert!(told.contains(expected) && told.is_empty() == expected.is_empty(), "{told}");
}

#[test]
fn a_disk_goes_forward_to_its_end() {
    check([progress(0), progress(50), progress(50), progress(100)], "");
    check([done(0)], "Done { length: 0 }");
    check([progress(50), done(100)], "Done { length: 100 }");
    check([refused(2)], "Refused { reason: TooLarge, message: \"no\u{fffd}[31m\" }");
}

#[test]
fn a_disk_that_cannot_be_is_refused() {
    check([progress(50), progress(49)], "went back from 50 to 49");
    check([progress(50), done(49)], "went back from 50 to 49");
    check([progress(101)], "101 bytes on a disk of 100");
    check([done(101)], "101 bytes on a disk of 100");
    check([done(u64::MAX)], "on a disk of 100");
    for reason in [0, 6, -1, i32::MAX] {
        check([refused(reason)], "unknown reason");
    }
    let nothing = Progress { bytes: 0, most: 1 }.admit(DiskResponse { event: None });
    assert!(nothing.unwrap_err().to_string().contains("without an event"));
}
