//! What the network costs, in ratios. Takes root, and no VM: the guest is who holds the TAP.
//!
//! `net_add` is one more machine's network with a thousand present ÷ the first ones; `net_throughput`
//! is what datagrams make, handed over together as guests do, through all rules of both namespaces ÷
//! through the same links without any rule, mark or translation, in bytes a second; `net_latency` is there and back
//! through both ÷ the same without.

mod machines;
mod stage;
mod traffic;

use std::io::Write as _;

use kiln_tests::Estimate;

use crate::traffic::Path;

const PRESENT: usize = 1000;
const TURNS: usize = 20;
/// In each turn.
const DATAGRAMS: u64 = 20_000;
const QUESTIONS: usize = 2000;

fn main() -> anyhow::Result<()> {
    if !rustix::process::geteuid().is_root() {
        return say("net: not run; it takes root");
    }
    let (mut throughput, mut latency) = (Vec::new(), Vec::new());
    let (filtered, open) = (Path::new(true)?, Path::new(false)?);
    for turn in 0..=TURNS {
        let sent = open.send(DATAGRAMS)? / filtered.send(DATAGRAMS)?;
        let asked = median(&filtered)? / median(&open)?;
        // The first turn warms up.
        if turn > 0 {
            throughput.push(sent);
            latency.push(asked);
        }
    }
    drop((filtered, open));
    tell("net_throughput", &Estimate::of(&throughput), 0.95, |ratio| ratio >= 0.95)?;
    tell("net_latency", &Estimate::of(&latency), 1.05, |ratio| ratio <= 1.05)?;
    let asked = std::env::var("KILN_BENCH_MACHINES").ok();
    let present = asked.and_then(|asked| asked.parse().ok()).unwrap_or(PRESENT);
    let (ratio, first) = machines::machines(present)?;
    say(&format!("net: the first machines' networks take {first} s each"))?;
    tell("net_add", &ratio, 1.2, |ratio| ratio <= 1.2)
}

fn median(path: &Path) -> anyhow::Result<f64> {
    let mut seconds = (0..QUESTIONS).map(|_| path.ask()).collect::<anyhow::Result<Vec<_>>>()?;
    seconds.sort_unstable_by(f64::total_cmp);
    Ok(seconds[seconds.len() / 2])
}

fn tell(name: &str, estimate: &Estimate, goal: f64, meets: fn(f64) -> bool) -> anyhow::Result<()> {
    let Estimate { median, low, high } = *estimate;
    let met = meets(median);
    say(&serde_json::json!({
        "bench": name, "ratio": median, "low": low, "high": high, "goal": goal, "met": met,
    })
    .to_string())?;
    say(&format!("{name}: {estimate}, goal {goal}: {}", if met { "met" } else { "missed" }))
}

fn say(words: &str) -> anyhow::Result<()> {
    Ok(writeln!(std::io::stdout(), "{words}")?)
}
