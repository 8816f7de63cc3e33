//! A bench: it runs by itself on a quiet machine, and ends with a line of JSON and one for people.

use std::{pin::Pin, sync::Arc};

use serde_json::json;

use crate::{Estimate, Settings, Stage, VmTokens, block_on};

/// What a bench is given.
#[derive(Debug)]
pub struct Bench {
    pub stage: Stage,
    name: &'static str,
}

/// What a bench found, the first with a goal where there is one.
pub type Measuring<'a> =
    Pin<Box<dyn Future<Output = anyhow::Result<Vec<(&'static str, Estimate)>>> + 'a>>;

impl Bench {
    /// So many rounds, or what `KILN_BENCH_ROUNDS` says.
    pub fn rounds(&self, least: usize) -> usize {
        let asked = std::env::var("KILN_BENCH_ROUNDS").ok();
        asked.and_then(|asked| asked.parse().ok()).unwrap_or(least).max(1)
    }

    #[expect(clippy::print_stdout, reason = "a bench is for people to read")]
    pub fn say(&self, words: &str) {
        println!("{}: {words}", self.name);
    }
}

/// Measures, and prints how the first of the results stands to its goal. A goal that is missed is no
/// failure: machines differ.
pub fn bench(
    name: &'static str,
    goal: impl Into<Option<f64>>,
    measure: impl FnOnce(&Bench) -> Measuring<'_>,
) -> anyhow::Result<()> {
    let Some(settings) = Settings::from_environment()? else {
        let bench_hint = Settings::HINT.replace("test", "bench");
        return print(&format!("{name}: not run; {bench_hint}"));
    };
    // The whole machine.
    let _tokens = VmTokens::take(usize::MAX)?;
    let bench = Bench { stage: Stage::set_up(Arc::new(settings))?, name };
    let goal = goal.into();
    let results = block_on(measure(&bench))?;
    block_on(bench.stage.strike())?;
    let accelerator = bench.stage.settings().accelerator();
    for (index, (result, estimate)) in results.iter().enumerate() {
        let goal = goal.filter(|_| index == 0);
        let Estimate { median, low, high } = *estimate;
        let met = goal.map(|goal| median <= goal);
        print(&json!({
            "bench": result, "ratio": median, "low": low, "high": high, "goal": goal, "met": met,
            "accelerator": accelerator,
        }).to_string())?;
        print(&match goal {
            Some(goal) => {
                let met = if median <= goal { "met" } else { "missed" };
                format!("{result}: {estimate}, goal {goal}: {met}")
            }
            None => format!("{result}: {estimate}"),
        })?;
    }
    Ok(())
}

fn print(line: &str) -> anyhow::Result<()> {
    use std::io::Write as _;
    Ok(writeln!(std::io::stdout(), "{line}")?)
}
