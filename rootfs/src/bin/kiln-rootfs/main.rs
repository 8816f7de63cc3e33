//! `kiln-rootfs`: an image in, a root filesystem out, without any daemon or machine.

mod arguments;
mod failure;
mod last_word;
mod pending;
mod place;
mod size;
mod words;

use std::{io::Write as _, process::ExitCode};

use clap::Parser as _;

use self::{arguments::Arguments, failure::Failure, pending::Pending};

/// Of a command line that is not understood.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    last_word::of_panics();
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) if error.use_stderr() => {
            last_word::say(&last_word::of_usage(&error.to_string()));
            return USAGE.into();
        }
        // Help and the version are what was asked for.
        Err(error) => error.exit(),
    };
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            last_word::say(&failure.to_string());
            ExitCode::FAILURE
        }
    }
}

/// Nothing gets its name before all of it is there.
fn run(arguments: &Arguments) -> Result<(), Failure> {
    let recipe = arguments.recipe()?;
    let place = place::Place::open(&arguments.output)?;
    let metadata = arguments.metadata.as_deref().map(Pending::at).transpose()?;
    let spool = place.spool(arguments.spool.as_deref());
    let record = kiln_rootfs::convert(&arguments.image, &recipe, spool, place.output())?;
    if let Some(pending) = &metadata {
        let mut json = serde_json::to_vec_pretty(&record).map_err(Failure::metadata)?;
        json.push(b'\n');
        pending.file().write_all(&json).map_err(Failure::metadata)?;
    }
    place.keep()?;
    metadata.map_or(Ok(()), Pending::keep)?;
    if arguments.quiet { Ok(()) } else { words::tell(&record) }
}
