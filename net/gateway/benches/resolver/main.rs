//! What the resolver costs on top of a plain forwarder. `cargo bench -p kiln-gateway`.

mod measure;

use std::io::Write;

fn main() -> std::io::Result<()> {
    let rounds = std::env::var("KILN_BENCH_ROUNDS").ok().and_then(|asked| asked.parse().ok());
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_kiln-gateway"));
    let mut output = std::io::stdout();
    for (name, mut ratios) in measure::measure(program, rounds.unwrap_or(5))? {
        ratios.sort_by(f64::total_cmp);
        let (low, high) = (ratios[0], ratios[ratios.len() - 1]);
        let median = ratios[ratios.len() / 2];
        writeln!(output, "{name}: {median:.2} ({low:.2} to {high:.2})")?;
    }
    Ok(())
}
