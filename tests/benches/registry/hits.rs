//! Small requests for what is stored, in a store with much else and in one with nothing.

use std::time::{Duration, Instant};

use kiln_tests::{Bench, Dice, Estimate, Host, median, p95_seconds};

use super::{
    blob::{Blob, Material},
    fill,
    place::Place,
    registries::{ours, place, within},
};

/// Of another's, beside those that are asked for.
const STORED: usize = 1_000_000;
const IMAGES: usize = 200;
const SMALL: usize = 1024;
/// In each turn, of manifests and of blobs.
const REQUESTS: usize = 1000;

struct Store {
    host: Host,
    place: Place,
    blobs: Vec<Blob>,
}

pub(crate) async fn hits(bench: &Bench) -> anyhow::Result<Estimate> {
    let material = Material::new(SMALL);
    let empty = Store::open(bench, "e", 0, &material).await?;
    let full = Store::open(bench, "f", STORED, &material).await?;
    let turns = bench.rounds(10);
    let (mut ratios, mut times) = (Vec::new(), [Vec::new(), Vec::new()]);
    for turn in 0..=turns {
        let mut took = [0.0; 2];
        for which in if turn % 2 == 0 { [0, 1] } else { [1, 0] } {
            let store = [&empty, &full][which];
            took[which] = p95_seconds(&within(bench, || store.ask(turn as u64))??);
        }
        // The first turn warms up.
        if turn > 0 {
            ratios.push(took[1] / took[0]);
            for (times, took) in times.iter_mut().zip(took) {
                times.push(took);
            }
        }
    }
    let [empty_p95, full_p95] = times.map(|times| median(times) * 1e6);
    bench.say(&format!(
        "hit: 95 of 100 within {empty_p95:.0} µs of an empty store, {full_p95:.0} µs of one with \
         {STORED} blobs"
    ));
    empty.host.stop().await?;
    full.host.stop().await?;
    Ok(Estimate::of(&ratios))
}

impl Store {
    async fn open(
        bench: &Bench,
        name: &'static str,
        stored: usize,
        material: &Material,
    ) -> anyhow::Result<Self> {
        let host = ours(bench, name).start().await?;
        let directory = host.home().join("registry");
        host.stop().await?;
        if stored > 0 {
            let started = Instant::now();
            fill::fill(&directory, stored)?;
            bench.say(&format!("{stored} blobs were made in {:.0?}", started.elapsed()));
        }
        let host = ours(bench, name).start().await?;
        let place = place(&host).await?;
        let blobs = within(bench, || pushed(&place, material))??;
        Ok(Self { host, place, blobs })
    }

    fn ask(&self, seed: u64) -> anyhow::Result<Vec<Duration>> {
        let mut connection = self.place.open()?;
        let mut dice = Dice::new(seed);
        let mut took = Vec::with_capacity(2 * REQUESTS);
        for _ in 0..REQUESTS {
            let image = dice.below(IMAGES);
            let started = Instant::now();
            self.place.pull_manifest(&mut connection, &tag(image))?;
            took.push(started.elapsed());
            let started = Instant::now();
            self.place.pull(&mut connection, &self.blobs[image])?;
            took.push(started.elapsed());
        }
        Ok(took)
    }
}

fn pushed(place: &Place, material: &Material) -> anyhow::Result<Vec<Blob>> {
    let mut connection = place.open()?;
    let mut blobs = Vec::new();
    for image in 0..IMAGES {
        let blob = material.blob(SMALL);
        place.push(&mut connection, &blob, material)?;
        place.push_manifest(&mut connection, &tag(image), &[blob.clone(), blob.clone()])?;
        blobs.push(blob);
    }
    Ok(blobs)
}

fn tag(image: usize) -> String {
    format!("t{image}")
}
