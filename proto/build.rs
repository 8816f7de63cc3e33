//! Compiles the protocol files with protox, so that no `protoc` has to be installed.

use std::path::Path;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let include = Path::new(env!("CARGO_MANIFEST_DIR")).join("proto");
    println!("cargo:rerun-if-changed={}", include.display());
    let files = protox::compile(
        [
            "kiln/v1/job.proto",
            "kiln/v1/image.proto",
            "kiln/v1/build.proto",
            "kiln/v1/artifact.proto",
            "kiln/agent/v1/agent.proto",
        ],
        [&include],
    )?;
    tonic_prost_build::configure()
        .bytes(".kiln")
        // In one order, however often they are told.
        .btree_map(".kiln.agent")
        // What is in them is shown to nobody: see `secret`.
        .skip_debug(["kiln.v1.SecretValue", "kiln.agent.v1.BuildPart"])
        .compile_fds(files)?;
    Ok(())
}
