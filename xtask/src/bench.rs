//! `cargo xtask bench`: the benches, in release builds.

use crate::{
    arguments::ImageOptions, binaries::Binaries, guest_image, program, say, setup,
    temporary::TemporaryDirectory, test::stories, workspace,
};

pub(crate) fn bench(name: Option<&str>) -> anyhow::Result<()> {
    let tools = setup::setup()?;
    say!("==> building everything for release");
    let mut cargo = workspace::cargo();
    let binaries =
        Binaries::build(cargo.args(["build", "--workspace", "--bins", "--lib", "--release"]))?;
    let image = guest_image::build(&binaries, &ImageOptions::default())?;
    let directory = TemporaryDirectory::new("b")?;
    let tools = tools.within_reach(directory.path())?;
    let binaries = binaries.within_reach(directory.path())?;
    let mut bench = workspace::cargo();
    bench.arg("bench");
    for package in ["kiln-tests", "kiln-registry", "kiln-rootfs"] {
        bench.args(["--package", package]);
    }
    match name {
        Some(name) => bench.args(["--bench", name]),
        None => bench.arg("--benches"),
    };
    program::run(stories::environment(&mut bench, &binaries, &image, &tools)?)
}
