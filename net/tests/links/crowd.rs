//! Many machines.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use crate::stage::{host, make};

const CROWD: usize = 100;
const TRIALS: usize = 15;

/// That one more costs what the first does is measured by a bench, with a thousand; that nothing is
/// looked at for each that there is shows with a hundred, and wide of what a busy machine does.
pub(crate) fn one_more_costs_what_the_first_does() {
    let run = tempfile::tempdir().unwrap();
    let mut host = host(run.path(), &["203.0.113.0/24"]);
    let mut cost = || {
        let mut times: Vec<Duration> = Vec::new();
        for n in 0..TRIALS {
            let start = Instant::now();
            let network = make(&mut host, &format!("trial{n}"));
            times.push(start.elapsed());
            host.release_network(black_box(network)).unwrap();
        }
        times.sort();
        times[TRIALS / 3]
    };
    let first = cost();
    let crowd: Vec<_> = (0..CROWD).map(|n| format!("m{n}")).collect();
    let mut host_again = crate::stage::host(run.path(), &["203.0.113.0/24"]);
    let crowd: Vec<_> = crowd.iter().map(|machine| make(&mut host_again, machine)).collect();
    let later = cost();
    assert!(later < first * 3, "{later:?} with {} others, {first:?} alone", crowd.len());
}
