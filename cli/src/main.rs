//! `kiln`: runs commands in microVMs by way of kilnd.

mod archive;
mod args;
mod boot;
mod build;
mod daemon;
mod digest;
mod display;
mod doctor;
mod download;
mod exit_code;
mod follow;
mod host;
mod image;
mod job;
mod output;
mod progress;
mod reason;
mod record;
mod report;
mod rootfs;
mod run;
mod shell;
mod source;
mod terminal;
mod version;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use self::{
    args::{Cli, Command},
    daemon::Daemon,
    output::OutputError,
};

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // A closed stdout leaves nobody to tell.
            let _ = error.print();
            return if error.use_stderr() { exit_code::KILN } else { 0 }.into();
        }
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            report::error(&format!("cannot start: {error}"));
            return exit_code::KILN.into();
        }
    };
    let code = match runtime.block_on(dispatch(cli)) {
        Ok(code) => code,
        Err(error) => match error.downcast_ref::<OutputError>() {
            Some(output) if output.is_broken_pipe() => exit_code::BROKEN_PIPE,
            _ => {
                report::error(&format!("{error:#}"));
                exit_code::KILN
            }
        },
    };
    // Nothing may hold up the exit: not a stdin that nobody types into, not a full pipe.
    runtime.shutdown_background();
    code.into()
}

async fn dispatch(cli: Cli) -> anyhow::Result<u8> {
    match cli.command {
        Command::Run(arguments) => Box::pin(run::run(&cli.socket, cli.reconnect, *arguments)).await,
        Command::Build(arguments) => {
            Box::pin(build::run(&cli.socket, cli.reconnect, *arguments)).await
        }
        Command::Rootfs(arguments) => {
            Box::pin(rootfs::run(&cli.socket, cli.reconnect, *arguments)).await
        }
        Command::Boot(arguments) => {
            Box::pin(boot::run(&cli.socket, cli.reconnect, *arguments)).await
        }
        Command::Shell(arguments) => {
            shell::run(&Daemon::connect(&cli.socket, cli.reconnect).await?, arguments).await
        }
        Command::Job(command) => {
            job::dispatch(&Daemon::connect(&cli.socket, cli.reconnect).await?, command).await
        }
        Command::Image(command) => {
            let daemon = Daemon::connect(&cli.socket, cli.reconnect).await?;
            image::dispatch(&daemon, command).await
        }
        Command::Host(arguments) => {
            host::run(&Daemon::connect(&cli.socket, cli.reconnect).await?, arguments).await
        }
        Command::Doctor(arguments) => doctor::run(&cli.socket, arguments),
        Command::Version(arguments) => version::print(arguments),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "kiln", &mut script);
            output::print(&script)?;
            Ok(0)
        }
    }
}
