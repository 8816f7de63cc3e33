//! The process itself: one thread, one `poll`.

mod child;
mod client;
mod clients;
mod descriptors;
mod detach;
mod leash;
mod machine;
mod serve;
mod signals;
mod start;

use std::{io, io::Write as _, process::ExitCode, time::Duration};

use self::{detach::Detached, leash::Leash};
use crate::{MAX_ORDER_BYTES, Order, Report, StartFailure, line};

/// Of `main`: what the program does.
pub fn main() -> ExitCode {
    let order = match read_order() {
        Ok(order) => order,
        Err(failure) => {
            let _nobody_listens = io::stdout().write_all(&line(&Report::Failed(failure)));
            return ExitCode::FAILURE;
        }
    };
    let Detached { leash, report } = match detach::detach(&order.directory) {
        Ok(Some(detached)) => detached,
        // The starter's own child, whose end tells it nothing.
        Ok(None) => return ExitCode::SUCCESS,
        Err(error) => {
            let failure = failed("the supervisor's own session", &error);
            let _nobody_listens = io::stdout().write_all(&line(&Report::Failed(failure)));
            return ExitCode::FAILURE;
        }
    };
    let mut leash = Leash::held(leash);
    match start::start(&order, &leash) {
        Ok(started) => {
            let ready = Report::Ready { process: started.process(), children: started.children() };
            if rustix::io::write(&report, &line(&ready)).is_err() {
                leash.cut();
            }
            drop(report);
            let linger = Duration::from_millis(order.linger_millis);
            serve::serve(started, leash, linger);
            ExitCode::SUCCESS
        }
        Err(failure) => {
            let _nobody_listens = rustix::io::write(&report, &line(&Report::Failed(failure)));
            ExitCode::FAILURE
        }
    }
}

fn read_order() -> Result<Order, StartFailure> {
    let invalid = |reason: String| StartFailure::Order { reason };
    let mut text = Vec::new();
    let mut buffer = [0; 4096];
    // No further than the line's end: what follows it is for the leash.
    while text.last() != Some(&b'\n') {
        match rustix::io::read(io::stdin(), &mut buffer) {
            Ok(0) => return Err(invalid("it has no end".to_owned())),
            Ok(length) => text.extend_from_slice(&buffer[..length]),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(invalid(error.to_string())),
        }
        if text.len() > MAX_ORDER_BYTES {
            return Err(invalid(format!("it is longer than {MAX_ORDER_BYTES} bytes")));
        }
    }
    Order::parse(&text).map_err(|error| invalid(error.to_string()))
}

fn failed(what: impl Into<String>, error: &io::Error) -> StartFailure {
    StartFailure::Io { what: what.into(), errno: error.raw_os_error().unwrap_or(libc::EIO) }
}
