//! Disks that go in and out.

use kiln_proto::agent::v1::{DiskDone, DiskProgress, DiskRefused, disk_response::Event as Disk};

use super::*;

const SILENCE: Duration = Duration::from_secs(8);
const LIMIT: Duration = Duration::from_secs(60);

fn unpack() -> Unpack {
    Unpack {
        disk: "in".into(),
        length: 1000,
        format: DiskFormat::Tar,
        path: "/src".into(),
        silence: SILENCE,
        limit: LIMIT,
    }
}

fn pack() -> Pack {
    Pack {
        disk: "out".into(),
        disk_bytes: 1000,
        format: DiskFormat::Raw,
        path: "/result".into(),
        silence: SILENCE,
        limit: LIMIT,
    }
}

fn progress(bytes: u64) -> Disk {
    Disk::Progress(DiskProgress { bytes })
}

fn done(length_bytes: u64) -> Disk {
    Disk::Done(DiskDone { length_bytes })
}

/// Both ways, with an agent that says `disk` and then finishes so.
async fn check(disk: Vec<Disk>, disk_finish: Finish, expected: &str) {
    let (guest, _heard) = greeted(Script { disk, disk_finish, ..Script::default() }).await;
    for end in [guest.unpack(unpack()).await, guest.pack(pack()).await] {
        let told = match end {
            Ok(end) => format!("{end:?}"),
            Err(error) => error.to_string(),
        };
        assert!(told.contains(expected), "{told}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_disk_goes_in_and_another_out() {
    check(vec![progress(10), done(1000)], Finish::Ends, "Done { length: 1000 }").await;
    let refused = DiskRefused { reason: 4, message: "no room\n".into() };
    let expected = "Refused { reason: DiskFull, message: \"no room\u{fffd}\" }";
    check(vec![Disk::Refused(refused)], Finish::Ends, expected).await;
    // After the last word nothing is heard.
    check(vec![done(7), done(2000)], Finish::Hangs, "Done { length: 7 }").await;
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_cannot_be_is_a_breach() {
    check(vec![done(1001)], Finish::Ends, "protocol: 1001 bytes on a disk of 1000").await;
    check(vec![progress(9), progress(8)], Finish::Ends, "protocol: a disk that went back").await;
    check(vec![progress(9)], Finish::Ends, "pack without an end").await;
    check(vec![], Finish::Fails(Code::NotFound, "?"), "pack with Some requested entity").await;
}

#[tokio::test(start_paused = true)]
async fn silence_and_endless_progress_have_their_limits() {
    check(vec![], Finish::Hangs, "pack within 8s").await;
    check(vec![progress(1), progress(2)], Finish::Hangs, "pack within 8s").await;
    check(vec![], Finish::NoHeaders, "pack within 8s").await;
    check(vec![progress(1); 100], Finish::Hangs, "pack within 60s").await;
}
