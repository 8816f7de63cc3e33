//! A guest that sends what it should not, for as long as it is there.

use std::{fs::File, io::Write as _, os::fd::FromRawFd as _, thread, time::Duration};

use kiln_probe::{Case, Link, cases::Kind};

use crate::world::{GATEWAY, GUEST};

/// What comes before each frame on a TAP that was opened with `IFF_VNET_HDR`: nothing is left to be
/// done by others.
const HEADER: [u8; 10] = [0; 10];
/// Between two frames: enough for a few rounds in the time that a kill takes.
const PAUSE: Duration = Duration::from_micros(200);

/// In a thread of its own, to the end of the process.
pub(super) fn begin(tap: i32) -> std::io::Result<()> {
    // SAFETY: the supervisor has opened the descriptor for this process, and nobody else here
    // knows of it.
    let tap = unsafe { File::from_raw_fd(tap) };
    thread::Builder::new().name("flood".to_owned()).spawn(move || flood(tap)).map(drop)
}

fn flood(mut tap: File) {
    let link = Link {
        mac: [2, 0x4b, 0x69, 0x6c, 0x6e, 2],
        gateway_mac: [2, 0x4b, 0x69, 0x6c, 0x6e, 1],
        address: GUEST,
        gateway: GATEWAY,
    };
    let kinds = Kind::ALL.into_iter();
    let frames: Vec<Vec<u8>> = kinds
        .flat_map(|kind| kind.cases(&link))
        .map(|Case { frame, .. }| [&HEADER[..], &frame].concat())
        .collect();
    loop {
        for frame in &frames {
            // A link that is down, or a queue that is full: the next one may pass.
            let _ = tap.write(frame);
            thread::sleep(PAUSE);
        }
    }
}
