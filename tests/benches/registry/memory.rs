//! What a daemon has resident while a blob goes through it, whatever its size.

use kiln_tests::{Bench, Estimate};

use super::{
    blob::Material,
    registries::{ours, place, within},
};

const SMALL: usize = 64 << 20;
const LARGE: usize = 1 << 30;

pub(crate) async fn memory(bench: &Bench) -> anyhow::Result<Estimate> {
    let host = ours(bench, "n").start().await?;
    let place = place(&host).await?;
    let material = Material::new(SMALL);
    let turns = bench.rounds(3);
    let mut ratios = Vec::new();
    for turn in 0..=turns {
        let mut peaks = [0.0; 2];
        for (peak, size) in peaks.iter_mut().zip([SMALL, LARGE]) {
            let resident = host.resident_peak()?;
            within(bench, || {
                let blob = material.blob(size);
                let mut connection = place.open()?;
                place.push(&mut connection, &blob, &material)?;
                place.pull(&mut connection, &blob)
            })??;
            *peak = f64::from(u32::try_from(resident.peak()? >> 10)?);
        }
        // The first turn warms up: what an allocator keeps, it keeps from then on.
        if turn > 0 {
            let [small, large] = peaks.map(|kibibytes| kibibytes / 1024.0);
            bench.say(&format!("memory: {small:.1} MiB with 64 MiB, {large:.1} MiB with 1 GiB"));
            ratios.push(large / small);
        }
    }
    host.stop().await?;
    Ok(Estimate::of(&ratios))
}
