//! The process itself: one thread, one `poll`.

mod child;
mod client;
mod clients;
mod descriptors;
mod detach;
mod given;
mod leash;
mod machine;
mod serve;
mod signals;
mod standing;
mod start;

use std::{
    env,
    fs::File,
    io::{self, Read, Seek as _, Write as _},
    os::fd::{FromRawFd as _, RawFd},
    process::ExitCode,
    time::Duration,
};

use self::{detach::Detached, given::Given, leash::Leash, standing::Standing};
pub use self::{
    given::{GIVE, NAMESPACE},
    standing::KEEPER,
};
use crate::{MAX_ORDER_BYTES, Order, Report, StartFailure, line};

/// The descriptor on which the helper gives an order; a kilnd that starts supervisors itself says it
/// on stdin.
pub const ORDER: RawFd = 3;

/// Of `main`: what the program does.
pub fn main() -> ExitCode {
    let (standing, given, order) = match ordered() {
        Ok(ordered) => ordered,
        Err(failure) => return refuse(failure),
    };
    // The helper has opened the machine's directory and starts us in it: its name may lead elsewhere
    // by now.
    let directory = (standing == Standing::AsStarted).then_some(order.directory.as_path());
    let Detached { leash, report } = match detach::detach(directory, &given) {
        Ok(Some(detached)) => detached,
        // The starter's own child, whose end tells it nothing.
        Ok(None) => return ExitCode::SUCCESS,
        Err(error) => return refuse(failed("the supervisor's own session", &error)),
    };
    let mut leash = Leash::held(leash);
    match start::start(&order, standing, given, &leash) {
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

fn refuse(failure: StartFailure) -> ExitCode {
    let _nobody_listens = io::stdout().write_all(&line(&Report::Failed(failure)));
    ExitCode::FAILURE
}

fn ordered() -> Result<(Standing, Given, Order), StartFailure> {
    let invalid = |reason: &str| StartFailure::Order { reason: reason.to_owned() };
    let mut arguments = env::args().skip(1);
    let standing = Standing::asked(&mut arguments);
    let standing = standing.ok_or_else(|| invalid("who is its keeper?"))?;
    let given = Given::asked(&mut arguments).ok_or_else(|| invalid("what is it given?"))?;
    let given = given.map_err(|error| failed("what it is given", &error))?;
    if standing == Standing::AsStarted {
        return Ok((standing, given, read_order()?));
    }
    let mut text = Vec::new();
    // SAFETY: whoever starts us so gives us this descriptor, and nothing else here refers to it.
    let mut file = unsafe { File::from_raw_fd(ORDER) };
    let most = u64::try_from(MAX_ORDER_BYTES).unwrap_or(u64::MAX);
    let read = file.rewind().and_then(|()| file.take(most).read_to_end(&mut text));
    read.map_err(|error| failed("the order", &error))?;
    let order = Order::parse(&text).map_err(|error| invalid(&error.to_string()))?;
    // What follows is done for the keeper, and with no more rights than the keeper has.
    standing.take().map_err(|error| failed("the keeper's user", &error))?;
    Ok((standing, given, order))
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
