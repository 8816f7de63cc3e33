//! What one thing is of another, as benches tell it: a line for programs, and one for people.

use std::fmt;

use serde_json::json;

pub(crate) struct Ratio {
    name: &'static str,
    median: f64,
    /// The least and the most: with six rounds or more they hold the true median 95 times of 100.
    low: f64,
    high: f64,
    goal: Option<f64>,
}

impl Ratio {
    pub(crate) fn of(name: &'static str, ratios: Vec<f64>, goal: Option<f64>) -> Self {
        let low = ratios.iter().copied().fold(f64::INFINITY, f64::min);
        let high = ratios.iter().copied().fold(0.0, f64::max);
        Self { name, median: median(ratios), low, high, goal }
    }
}

pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

impl fmt::Display for Ratio {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, median, low, high, goal } = *self;
        let met = goal.map(|goal| median <= goal);
        let line = json!({
            "bench": name, "ratio": median, "low": low, "high": high, "goal": goal, "met": met,
        });
        writeln!(formatter, "{line}")?;
        write!(formatter, "{name}: {median:.3} ({low:.3} to {high:.3})")?;
        match goal {
            Some(goal) if median <= goal => write!(formatter, ", goal {goal}: met"),
            Some(goal) => write!(formatter, ", goal {goal}: missed"),
            None => Ok(()),
        }
    }
}
