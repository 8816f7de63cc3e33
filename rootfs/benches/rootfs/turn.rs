//! Runs that alternate, so that whatever else the machine does weighs on all of them.

use std::{
    collections::BTreeMap,
    fmt,
    fs::{self, File},
    path::Path,
    time::{Duration, Instant},
};

use crate::{
    Outcome,
    ratio::{Ratio, median},
};

type Run<'a> = Box<dyn Fn(&Path) -> Outcome<()> + 'a>;

/// What is to be measured, and how often.
pub(crate) struct Turns<'a> {
    scratch: &'a Path,
    rounds: usize,
    runs: Vec<(&'static str, Run<'a>)>,
}

/// Seconds by what took them, one for each round.
pub(crate) struct Taken(BTreeMap<&'static str, Vec<f64>>);

impl<'a> Turns<'a> {
    pub(crate) fn new(scratch: &'a Path, rounds: usize) -> Self {
        Self { scratch, rounds, runs: Vec::new() }
    }

    /// It has an empty directory each time.
    pub(crate) fn run(&mut self, name: &'static str, run: impl Fn(&Path) -> Outcome<()> + 'a) {
        self.runs.push((name, Box::new(run)));
    }

    pub(crate) fn take(mut self) -> Outcome<Taken> {
        let mut taken = BTreeMap::<_, Vec<f64>>::new();
        for round in 0..=self.rounds {
            for (name, run) in &self.runs {
                let seconds = timed(self.scratch, run)?.as_secs_f64();
                // The first one warms up.
                if round > 0 {
                    taken.entry(*name).or_default().push(seconds);
                }
            }
            self.runs.reverse();
        }
        Ok(Taken(taken))
    }
}

fn timed(scratch: &Path, run: &Run<'_>) -> Outcome<Duration> {
    let directory = scratch.join("turn");
    fs::create_dir(&directory)?;
    rustix::fs::syncfs(File::open(scratch)?)?;
    let started = Instant::now();
    run(&directory)?;
    let took = started.elapsed();
    fs::remove_dir_all(directory)?;
    Ok(took)
}

impl Taken {
    /// Of one's times ÷ the longest of the others' in the same round. Nothing if one of them was left out.
    pub(crate) fn ratio(
        &self,
        name: &'static str,
        one: &str,
        others: &[&str],
        goal: Option<f64>,
    ) -> Option<Ratio> {
        let times = self.0.get(one)?;
        let others = others.iter().map(|other| self.0.get(other)).collect::<Option<Vec<_>>>()?;
        let longest = |round: usize| others.iter().map(|times| times[round]).fold(0.0, f64::max);
        let ratios = times.iter().enumerate().map(|(round, time)| time / longest(round));
        Some(Ratio::of(name, ratios.collect(), goal))
    }
}

impl fmt::Display for Taken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("medians:")?;
        for (name, seconds) in &self.0 {
            write!(formatter, " {name} {:.3} s;", median(seconds.clone()))?;
        }
        Ok(())
    }
}
