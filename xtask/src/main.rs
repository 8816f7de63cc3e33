//! `cargo xtask`: what people and CI do with this repository. Depends on no other crate of it.

mod arguments;
mod bench;
mod binaries;
mod cache;
mod check;
mod daemon;
mod demo;
mod guest_image;
mod interrupt;
mod leftovers;
mod privileges;
mod program;
mod setup;
mod temporary;
mod test;
mod workspace;

use std::process::ExitCode;

use arguments::Task;

fn main() -> ExitCode {
    let task = match Task::parse(std::env::args().skip(1)) {
        Ok(task) => task,
        Err(problem) => {
            say!("{problem}\n\n{}", arguments::USAGE);
            return ExitCode::from(2);
        }
    };
    let done = interrupt::watch().and_then(|()| match task {
        Task::Help => {
            show!("{}", arguments::USAGE);
            Ok(true)
        }
        Task::Setup => setup::setup().and_then(|_| setup::registry_clients()).map(|_| true),
        Task::Demo => demo::demo().map(|()| true),
        Task::Test(options) => test::test(&options),
        Task::Check => check::check().map(|()| true),
        Task::Bench { name } => bench::bench(name.as_deref()).map(|()| true),
        Task::Image(options) => guest_image::image(&options).map(|()| true),
    });
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(_) if interrupt::check().is_err() => {
            say!("xtask: interrupted");
            ExitCode::from(130)
        }
        Err(error) => {
            say!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
