//! A guest with root and raw sockets, under the widest policy that there is.

use std::net::IpAddr;

use anyhow::ensure;
use kiln_probe::cases::{HONEST_PORT, TARGET};
use kiln_tests::{Stage, Story, stories};

use super::scene::{PROBE, Scene};

pub(crate) fn stories() -> Vec<Story> {
    stories![no_frame_passes_that_is_not_the_guests_own]
}

async fn no_frame_passes_that_is_not_the_guests_own(stage: &Stage) -> anyhow::Result<()> {
    let scene = Scene::set(stage).await?;
    // What is true of the honest frame could be true of the others: it arrives.
    let script = ["honest", "spoof", "metadata", "six", "honest"]
        .map(|kind| format!("{PROBE} frames {kind} 192.0.2.2 192.0.2.1\n"))
        .concat();
    // Half of the frames are no frames to the guest's own kernel either, which says so.
    let told = scene.told("internet", &script).await?;
    let sent: Vec<usize> = told
        .lines()
        .iter()
        .filter_map(|line| line.strip_prefix("sent ")?.split(' ').next()?.parse().ok())
        .collect();
    ensure!(sent.len() == 5, "{told:?}");
    ensure!(sent[0] == 1 && sent[1] >= 200 && sent[2] >= 25 && sent[3] >= 30, "{told:?}");
    let honest = (IpAddr::from(TARGET), HONEST_PORT);
    let arrived = scene.world.arrivals().all();
    let is_honest = |arrival: &&kiln_tests::world::Arrival| {
        (arrival.destination, arrival.port) == honest
            && arrival.source == IpAddr::from([203, 0, 113, 1])
    };
    let packets: u64 = arrived.iter().filter(is_honest).map(|arrival| arrival.packets).sum();
    assert_eq!(packets, 2, "{arrived:?}");
    scene.ends(&[honest]).await
}
