//! How fast a connection through the splice is: its throughput ÷ that of the same way without it.
//! Ends with a line of JSON and one for people.

mod measure;

use std::{
    error::Error,
    io::{self, Write},
};

/// Of the whole way's; what is left of a core is the guest's.
const GOAL: f64 = 0.5;
const TURNS: usize = 9;

fn main() -> Result<(), Box<dyn Error>> {
    let mut out = io::stdout();
    if !rustix::process::geteuid().is_root() {
        writeln!(out, "splice: not run; a network namespace needs root")?;
        return Ok(());
    }
    let asked = std::env::var("KILN_BENCH_ROUNDS").ok().and_then(|asked| asked.parse().ok());
    let mut turns = measure::throughput(asked.unwrap_or(TURNS).max(1))?;
    turns.sort_by(|one, other| one.ratio().total_cmp(&other.ratio()));
    let median = &turns[turns.len() / 2];
    let (ratio, low, high) = (median.ratio(), turns[0].ratio(), turns[turns.len() - 1].ratio());
    let met = ratio >= GOAL;
    let line = serde_json::json!({
        "bench": "splice_throughput", "ratio": ratio, "low": low, "high": high,
        "goal": GOAL, "met": met,
    });
    writeln!(out, "{line}")?;
    let met = if met { "met" } else { "missed" };
    writeln!(
        out,
        "splice_throughput: {ratio:.2} ({low:.2} to {high:.2}), goal {GOAL}: {met}; {:.2} of {:.2} GB/s",
        median.through, median.direct,
    )?;
    Ok(())
}
