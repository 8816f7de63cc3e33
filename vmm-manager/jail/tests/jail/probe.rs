//! The program in the jail: it tries what it is told to, and says what came of it.
//!
//! A line for each thing that it tried: its name, a tab, and `done` or the number of the error.

mod allowed;
mod calls;
mod files;
mod gateway;

use std::{
    io::{self, BufRead as _},
    process::ExitCode,
    time::Duration,
};

pub(crate) use self::gateway::{CONTROL, TCP, TCP6, UDP, UDP6};

/// Its first argument.
pub(crate) const MARK: &str = "be-the-probe";

pub(crate) fn run(arguments: &[String]) -> ExitCode {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["calls"] => calls::try_all(),
        ["files", rest @ ..] => files::try_all(rest),
        ["reach", rest @ ..] => files::reach(rest),
        ["allowed"] => allowed::do_all(),
        ["gateway-calls"] => {
            calls::try_common();
            gateway::try_all();
        }
        ["gateway"] => gateway::do_all(),
        ["dial", rest @ ..] => gateway::dial(rest),
        ["device", path] => allowed::ask_device(path),
        ["threads", count] => threads(count.parse().unwrap()),
        ["descriptors"] => descriptors(),
        ["sleep"] => sleep(),
        other => panic!("{other:?} is nothing to try"),
    }
    ExitCode::SUCCESS
}

/// What came of `name`.
fn tell(name: &str, outcome: io::Result<()>) {
    let outcome = match outcome {
        Ok(()) => "done".to_owned(),
        Err(error) => error.raw_os_error().unwrap_or(-1).to_string(),
    };
    println!("{name}\t{outcome}");
}

/// A call's own answer.
fn answer(returned: impl Into<i64>) -> io::Result<()> {
    if returned.into() == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Starts as many threads as it can up to `count`, says how many, and waits.
fn threads(count: usize) {
    let asleep = || std::thread::sleep(Duration::from_secs(1000));
    let started = (0..count).map_while(|_| std::thread::Builder::new().spawn(asleep).ok()).count();
    tell(&format!("threads {started}"), Ok(()));
    sleep();
}

/// Which numbers are open.
fn descriptors() {
    let open: Vec<String> = (0..5000)
        // SAFETY: it asks about a number.
        .filter(|number| unsafe { libc::fcntl(*number, libc::F_GETFD) } != -1)
        .map(|number| number.to_string())
        .collect();
    tell(&open.join(" "), Ok(()));
}

/// Until it is told to end.
fn sleep() {
    tell("asleep", Ok(()));
    let _woken = io::stdin().lock().lines().next();
}
