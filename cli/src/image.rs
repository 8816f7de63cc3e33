//! `kiln image …`: what the host's registry has, and bringing images in and out.

mod export;
mod import;
mod inspect;
mod ls;
mod prune;
mod pull;
mod push;
mod registry;
mod rm;
mod tag;
mod transfer;

pub(crate) use self::pull::pull;
use crate::{args::ImageCommand, daemon::Daemon};

pub(crate) async fn dispatch(daemon: &Daemon, command: ImageCommand) -> anyhow::Result<u8> {
    match command {
        ImageCommand::Ls(arguments) => ls::run(daemon, arguments).await,
        ImageCommand::Inspect(arguments) => inspect::run(daemon, arguments).await,
        ImageCommand::Tag(arguments) => tag::run(daemon, arguments).await,
        ImageCommand::Rm(arguments) => rm::run(daemon, arguments).await,
        ImageCommand::Prune(arguments) => prune::run(daemon, arguments).await,
        ImageCommand::Pull(arguments) => pull::run(daemon, arguments).await,
        ImageCommand::Push(arguments) => push::run(daemon, arguments).await,
        ImageCommand::Import(arguments) => import::run(daemon, arguments).await,
        ImageCommand::Export(arguments) => export::run(daemon, arguments).await,
        ImageCommand::Registry(arguments) => registry::run(daemon, arguments).await,
    }
}
