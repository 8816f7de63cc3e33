//! `kiln image rm`: each gets its turn, whatever became of the others.

use crate::{
    args::RemoveArguments,
    daemon::{Daemon, DaemonError},
    exit_code, output, report,
};

pub(super) async fn run(daemon: &Daemon, arguments: RemoveArguments) -> anyhow::Result<u8> {
    let RemoveArguments { names, force } = arguments;
    let mut code = 0;
    for name in &names {
        match daemon.remove_image(name).await {
            Ok(removed) => {
                for name in &removed {
                    output::print_line(name)?;
                }
            }
            Err(DaemonError::NotFound { .. }) if force => {}
            Err(error) => {
                report::error(&format!("{name}: {error}"));
                code = exit_code::KILN;
            }
        }
    }
    Ok(code)
}
