//! When a bridge can carry calls.
//!
//! `vhost-device-vsock` 0.3 has one worker. Between QEMU's two messages "here is the guest's
//! memory" and "here are its rings" (the guest's driver starts), a call from the host makes that
//! worker look into a ring which is not there: its error ends the worker, and the bridge stays
//! silent for ever. Before the first message a call is only closed; after the second it is carried.
//! One boot in ten was lost so when calls were tried every 10 ms from the start.
//!
//! The second message makes the bridge wait on a ring's doorbell, which the kernel shows: the
//! worker's epoll then holds the events 0 and 1, the numbers of the rings.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::FileExt as _,
    path::PathBuf,
    time::Duration,
};

use kiln_helper::Request;
use kiln_shim::ProcessIdentity;
use tokio::time::sleep;

use crate::host::helper::helper;

const PAUSE: Duration = Duration::from_millis(5);
/// Of a few lines with less than a hundred each.
const MOST_BYTES: usize = 4096;

/// Resolves when the bridge with process id `pid`, which must be a live child, waits on its rings.
///
/// # Cancel safety
/// Safe: it only looks.
pub async fn attached(pid: u32) {
    let epolls = epolls(pid);
    while !epolls.iter().any(|epoll| description(epoll).is_ok_and(|text| has_rings(&text))) {
        sleep(PAUSE).await;
    }
    // The doorbell is waited on one instruction before the ring counts as ready.
    sleep(PAUSE).await;
}

/// The kernel's descriptions of the epolls of a process, all of which it made before QEMU came. They
/// are for its own user to see: the helper opens those of another.
fn epolls(pid: u32) -> Vec<File> {
    match (helper(), ProcessIdentity::of(pid)) {
        (Some(helper), Ok(process)) => {
            match helper.ask_with(&Request::OpenEpolls { process }, &[]) {
                Ok((_, descriptions)) => descriptions.into_iter().map(File::from).collect(),
                Err(error) => {
                    // One that has ended is seen to have by whoever waits for the machine.
                    tracing::debug!(pid, %error, "what a bridge waits for is not known");
                    Vec::new()
                }
            }
        }
        _ => own_epolls(pid),
    }
}

fn own_epolls(pid: u32) -> Vec<File> {
    let Ok(descriptors) = fs::read_dir(format!("/proc/{pid}/fd")) else { return Vec::new() };
    descriptors
        .filter_map(Result::ok)
        .filter(|entry| {
            fs::read_link(entry.path()).is_ok_and(|to| to.ends_with("anon_inode:[eventpoll]"))
        })
        .map(|entry| PathBuf::from(format!("/proc/{pid}/fdinfo")).join(entry.file_name()))
        .filter_map(|description| File::open(description).ok())
        .collect()
}

/// As it is now: the kernel writes it anew for each read from the start.
fn description(epoll: &File) -> io::Result<String> {
    let mut text = vec![0; MOST_BYTES];
    let length = epoll.read_at(&mut text, 0)?;
    Ok(String::from_utf8_lossy(&text[..length]).into_owned())
}

/// `tfd:       12 events:       19 data:                1  pos:0 ino:8 sdev:f`
fn has_rings(description: &str) -> bool {
    let events = || {
        description.lines().filter(|line| line.starts_with("tfd:")).filter_map(|line| {
            let (_, data) = line.split_once("data:")?;
            data.split_whitespace().next()
        })
    };
    events().any(|event| event == "0") && events().any(|event| event == "1")
}

#[cfg(test)]
mod tests {
    use std::os::fd::{AsFd as _, AsRawFd as _};

    use rustix::event::{EventfdFlags, epoll, eventfd};

    use super::*;

    fn check(registered: &[u64], expected: bool) {
        let bell = || eventfd(0, EventfdFlags::CLOEXEC).unwrap();
        let waiter = epoll::create(epoll::CreateFlags::CLOEXEC).unwrap();
        let bells: Vec<_> = registered.iter().map(|_| bell()).collect();
        for (bell, event) in bells.iter().zip(registered) {
            let data = epoll::EventData::new_u64(*event);
            epoll::add(&waiter, bell.as_fd(), data, epoll::EventFlags::IN).unwrap();
        }
        let told = |file: &File| description(file).unwrap_or_default();
        let file = format!("/proc/self/fdinfo/{}", waiter.as_raw_fd());
        let text = fs::read_to_string(file).unwrap();
        assert!(epolls(std::process::id()).iter().any(|epoll| told(epoll) == text));
        assert_eq!(has_rings(&text), expected, "{text}");
    }

    #[test]
    fn both_doorbells_are_told_from_the_bridges_other_events() {
        check(&[], false);
        check(&[3, 4], false);
        check(&[3, 4, 0], false);
        check(&[3, 4, 1], false);
        check(&[16, 10], false);
        check(&[3, 4, 0, 1], true);
    }
}
