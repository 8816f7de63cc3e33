//! `kiln version`.

use serde::Serialize;

use crate::{args::VersionArguments, output};

#[derive(Serialize)]
struct Version {
    version: &'static str,
}

pub(crate) fn print(arguments: VersionArguments) -> anyhow::Result<u8> {
    let version = env!("CARGO_PKG_VERSION");
    if arguments.json {
        output::print_json(&Version { version })?;
    } else {
        output::print(format!("kiln {version}\n").as_bytes())?;
    }
    Ok(0)
}
