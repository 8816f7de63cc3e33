//! An image that the mirror does not have, by way of it and straight from where it is.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    time::{Duration, Instant},
};

use kiln_tests::{Bench, Estimate, median};
use serde_json::json;

use super::{
    blob::{Blob, Material},
    link,
    moves::all,
    place::Place,
    registries::{Theirs, ours, place, within},
};

const LAYERS: usize = 4;
const LAYER: usize = 24 << 20;

pub(crate) async fn cold(bench: &Bench, theirs: &Theirs) -> anyhow::Result<(Estimate, Estimate)> {
    let near = within(bench, || {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        link::start(listener, theirs.place.address);
        anyhow::Ok(address)
    })??;
    let outside = [near, theirs.place.address];
    let registries = bench.stage.directory().join("registries.json");
    let plain = json!({"http": true, "private": true});
    let [linked, direct] = outside.map(|address| address.to_string());
    fs::write(&registries, json!({"registries": {linked: plain, direct: plain}}).to_string())?;
    let host = ours(bench, "c").flag("--registries", registries.display()).start().await?;
    let mirror = place(&host).await?;
    let material = Material::new(LAYER);
    let turns = bench.rounds(5);
    let mut results = Vec::new();
    for address in outside {
        let straight = Place { address, repository: theirs.place.repository.clone() };
        let mirrored = Place { address: mirror.address, repository: mirrored(address, &straight) };
        let (mut ratios, mut speeds) = (Vec::new(), [Vec::new(), Vec::new()]);
        for turn in 0..=turns {
            let tag = format!("cold-{}-{turn}", address.port());
            let image: Vec<_> = (0..=LAYERS)
                .map(|part| material.blob(if part == 0 { 1024 } else { LAYER }))
                .collect();
            within(bench, || pushed(&theirs.place, &tag, &image, &material))??;
            let mut took = [Duration::ZERO; 2];
            for which in if turn % 2 == 0 { [0, 1] } else { [1, 0] } {
                let place = [&mirrored, &straight][which];
                took[which] = within(bench, || pulled(place, &tag, &image))??;
            }
            // The first turn warms up.
            if turn > 0 {
                ratios.push(took[0].as_secs_f64() / took[1].as_secs_f64());
                for (speeds, took) in speeds.iter_mut().zip(took) {
                    let mebibytes = f64::from(u32::try_from((LAYERS * LAYER) >> 20)?);
                    speeds.push(mebibytes / took.as_secs_f64());
                }
            }
        }
        let [by_mirror, by_hand] = speeds.map(median);
        bench
            .say(&format!("cold: {by_mirror:.0} MiB/s by the mirror, {by_hand:.0} MiB/s straight"));
        results.push(Estimate::of(&ratios));
    }
    host.stop().await?;
    Ok((results[0], results[1]))
}

/// As our registry calls it.
fn mirrored(address: SocketAddr, straight: &Place) -> String {
    format!("{}_{}/{}", address.ip(), address.port(), straight.repository)
}

fn pushed(place: &Place, tag: &str, image: &[Blob], material: &Material) -> anyhow::Result<()> {
    all(place, image, |connection, blob| place.push(connection, blob, material))?;
    place.push_manifest(&mut place.open()?, tag, image)
}

/// The manifest, then its parts side by side, each hashed.
fn pulled(place: &Place, tag: &str, image: &[Blob]) -> anyhow::Result<Duration> {
    let started = Instant::now();
    place.pull_manifest(&mut place.open()?, tag)?;
    all(place, image, |connection, blob| place.pull_and_hash(connection, blob))?;
    Ok(started.elapsed())
}
