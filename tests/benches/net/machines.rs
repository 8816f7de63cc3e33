//! What one more machine's network takes, with none and with many of them there.

use std::{io, time::Instant};

use kiln_net::{
    host::Host,
    namespace::Namespace,
    network::Network,
    plan::{Plan, Reach},
};
use kiln_tests::Estimate;
use tempfile::TempDir;

use crate::stage::{LIMITS, host_namespace, network};

/// Measured at either end.
const MEASURED: usize = 30;

/// The last ones ÷ the first ones, in turns that do not touch each other.
pub(crate) fn machines(present: usize) -> anyhow::Result<(Estimate, Estimate)> {
    let namespace = host_namespace()?.0;
    let run = TempDir::new()?;
    let mut host =
        namespace.enter(|| Host::prepare(network(), run.path()).map_err(io::Error::other))?;
    let mut machines = Vec::new();
    let mut first = timed(&namespace, &mut host, &mut machines, MEASURED)?;
    timed(&namespace, &mut host, &mut machines, present.saturating_sub(MEASURED))?;
    let last = timed(&namespace, &mut host, &mut machines, MEASURED)?;
    first.sort_unstable_by(f64::total_cmp);
    let median = first[first.len() / 2];
    let ratios: Vec<_> = last.iter().map(|seconds| seconds / median).collect();
    Ok((Estimate::of(&ratios), Estimate::of(&first)))
}

fn timed(
    namespace: &Namespace,
    host: &mut Host,
    machines: &mut Vec<Network>,
    count: usize,
) -> anyhow::Result<Vec<f64>> {
    let plan = Plan { reach: Reach::Admitted, limits: LIMITS };
    let mut seconds = Vec::new();
    for _ in 0..count {
        let name = machines.len().to_string();
        let begun = Instant::now();
        let made = namespace.enter(|| host.make(&name, &plan).map_err(io::Error::other))?;
        seconds.push(begun.elapsed().as_secs_f64());
        machines.push(made);
    }
    Ok(seconds)
}
