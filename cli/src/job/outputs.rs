//! `kiln job outputs`: what can be brought here.

use std::fmt::Write;

use super::artifacts;
use crate::{args::OutputsArguments, daemon::Daemon, display::size, output, record::Job};

const HEADER: &str = "NAME        SIZE        PATH                  DIGEST\n";

pub(super) async fn run(daemon: &Daemon, arguments: OutputsArguments) -> anyhow::Result<u8> {
    let id = daemon.resolve(&arguments.id).await?;
    let job = daemon.job(&id).await?;
    if job.spec.has_artifacts() {
        return artifacts::print(daemon, &id, arguments.json).await;
    }
    if arguments.json {
        for output in &job.outputs {
            output::print_json(output)?;
        }
    } else {
        output::print(table(&job).as_bytes())?;
    }
    Ok(0)
}

fn table(job: &Job) -> String {
    let mut table = HEADER.to_owned();
    for output in &job.outputs {
        let disk = job.spec.outputs.iter().find(|disk| disk.name == output.name);
        let path = disk.map_or("-", |disk| disk.path.as_str());
        let expired = if output.expired { " (expired)" } else { "" };
        let (name, bytes, digest) = (&output.name, size(output.size_bytes), &output.digest);
        // Writing to a string cannot fail.
        let _ = writeln!(table, "{name:<10}  {bytes:<10}  {path:<20}  {digest}{expired}");
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Output, OutputDisk, Spec};

    #[test]
    fn columns_stand_below_their_names() {
        let name = "output-1".to_owned();
        let disk =
            OutputDisk { name: name.clone(), path: "/out".to_owned(), ..OutputDisk::default() };
        let digest = "sha256:ab".to_owned();
        let job = Job {
            spec: Spec { outputs: vec![disk], ..Spec::default() },
            outputs: vec![Output { name, size_bytes: 2048, digest, expired: true }],
            ..Job::default()
        };
        let expected = "output-1    2 KiB       /out                  sha256:ab (expired)\n";
        assert_eq!(table(&job), format!("{HEADER}{expected}"));
    }
}
