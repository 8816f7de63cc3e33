//! Blobs in and out, by one client and by many.

use std::{
    sync::Barrier,
    thread,
    time::{Duration, Instant},
};

use anyhow::anyhow;
use kiln_tests::{Bench, Estimate, median};

use super::{
    blob::{Blob, Material},
    connection::Connection,
    place::Place,
    registries::{Theirs, ours, place, within},
};

/// For one client, and for each of many.
const SIZES: [(usize, usize); 2] = [(1, 64 << 20), (16, 16 << 20)];
const NAMES: [[&str; 2]; 2] = [["push_1", "pull_1"], ["push_16", "pull_16"]];

pub(crate) async fn moves(
    bench: &Bench,
    theirs: &Theirs,
) -> anyhow::Result<Vec<(&'static str, Estimate)>> {
    let host = ours(bench, "m").start().await?;
    let places = [place(&host).await?, theirs.place.clone()];
    let material = Material::new(SIZES[0].1);
    let turns = bench.rounds(7);
    let mut results = Vec::new();
    for ((clients, size), names) in SIZES.into_iter().zip(NAMES) {
        let mut ratios = [Vec::new(), Vec::new()];
        let mut speeds = [const { [Vec::new(), Vec::new()] }; 2];
        for turn in 0..=turns {
            let blobs: Vec<_> = (0..clients).map(|_| material.blob(size)).collect();
            let mut took = [[Duration::ZERO; 2]; 2];
            for (step, taken) in took.iter_mut().enumerate() {
                // Whoever was first is second in the next turn.
                for which in if turn % 2 == 0 { [0, 1] } else { [1, 0] } {
                    let place = &places[which];
                    taken[which] = within(bench, || match step {
                        0 => all(place, &blobs, |connection, blob| {
                            place.push(connection, blob, &material)
                        }),
                        _ => all(place, &blobs, |connection, blob| place.pull(connection, blob)),
                    })??;
                }
            }
            // The first turn warms up.
            if turn == 0 {
                continue;
            }
            for (step, [ours, theirs]) in took.into_iter().enumerate() {
                ratios[step].push(ours.as_secs_f64() / theirs.as_secs_f64());
                for (which, took) in [ours, theirs].into_iter().enumerate() {
                    let mebibytes = f64::from(u32::try_from((clients * size) >> 20)?);
                    speeds[step][which].push(mebibytes / took.as_secs_f64());
                }
            }
        }
        for (step, name) in names.into_iter().enumerate() {
            let [ours, theirs] = speeds[step].clone().map(median);
            bench.say(&format!("{name}: {ours:.0} MiB/s, docker's {theirs:.0} MiB/s"));
            results.push((name, Estimate::of(&ratios[step])));
        }
    }
    host.stop().await?;
    Ok(results)
}

/// Each blob by a client of its own, all at once: until the last one is done.
pub(crate) fn all(
    place: &Place,
    blobs: &[Blob],
    act: impl Fn(&mut Connection, &Blob) -> anyhow::Result<()> + Sync,
) -> anyhow::Result<Duration> {
    let start = Barrier::new(blobs.len() + 1);
    thread::scope(|scope| {
        let clients: Vec<_> = blobs
            .iter()
            .map(|blob| {
                scope.spawn(|| {
                    let connection = place.open();
                    start.wait();
                    act(&mut connection?, blob)
                })
            })
            .collect();
        start.wait();
        let started = Instant::now();
        for client in clients {
            client.join().map_err(|_| anyhow!("a client panicked"))??;
        }
        Ok(started.elapsed())
    })
}
