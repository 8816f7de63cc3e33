//! The host's own services, port by port.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use kiln_tests::{Stage, Story, stories};

use super::scene::{PROBE, Scene, Told};

/// The guest's gateway, and its resolver, in either family.
const GATEWAY4: &str = "192.0.2.1";
const GATEWAY6: &str = "fd4b:696c:6e::1";
const POOLS: &str = "198.51.100.0/27,2001:db8:100::/112";

/// Of the host and of what lies between it and a guest, in both families.
const ADDRESSES: [&str; 8] = [
    "203.0.113.1",
    "192.0.2.129",
    GATEWAY4,
    "198.51.100.1",
    "198.51.100.2",
    "2001:db8:1::1",
    "2001:db8:2::1",
    GATEWAY6,
];

pub(crate) fn stories() -> Vec<Story> {
    stories![
        no_port_of_the_host_is_open.limit(Duration::from_secs(900)),
        none_of_all_ports_of_the_host_is_open.only_full().limit(Duration::from_secs(7200)),
    ]
}

async fn no_port_of_the_host_is_open(stage: &Stage) -> anyhow::Result<()> {
    // The host's own service among them, and the gateway's.
    scanned(stage, &[(1, 128), (4990, 5010), (7040, 7100), (14_990, 15_010)]).await
}

async fn none_of_all_ports_of_the_host_is_open(stage: &Stage) -> anyhow::Result<()> {
    scanned(stage, &[(1, 65_535)]).await
}

async fn scanned(stage: &Stage, ranges: &[(u16, u16)]) -> anyhow::Result<()> {
    let scene = Scene::set_with(stage, |setup| setup.flag("--guest-pool", POOLS)).await?;
    let scans = ADDRESSES.iter().flat_map(|address| {
        ranges.iter().map(move |(first, last)| format!("{PROBE} scan {address} {first} {last}\n"))
    });
    let limit = Duration::from_secs(7000);
    let ended = scene.job("internet", &scans.collect::<String>()).limit(limit).run().await?;
    ensure!(ended.code == Some(0), "{ended}");
    let told = Told::of(&ended);
    assert_eq!(told.lines().len(), ADDRESSES.len() * ranges.len(), "{ended}");
    for line in told.lines() {
        let (of, found) = line.split_once(" open ").context("no scan")?;
        // The resolver is for the guest, and the registry.
        let is_gateway = [GATEWAY4, GATEWAY6].iter().any(|one| of == format!("scan {one}"));
        let of_gateways = ["[53]", "[5000]", "[53, 5000]"];
        let open = of_gateways.iter().find(|ports| is_gateway && found.starts_with(**ports));
        ensure!(found.starts_with(&format!("{} ", open.unwrap_or(&"[]"))), "{line}");
        ensure!(found.ends_with("silent 0"), "a refusal is not told: {line}");
    }
    let served = scene.world.served_by_the_host().all();
    ensure!(served.is_empty(), "{served:?}");
    scene.ends(&[]).await
}
