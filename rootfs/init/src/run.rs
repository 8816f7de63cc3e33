//! One run of a machine.
//!
//! ```text
//! words ─▶ settings ─▶ machine set up ─▶ command started ─▶ ready ─▶ watched ─▶ exit ─▶ off
//! ```
//!
//! *Happy path*: the console has `kiln-init: ready` when the command is its own program, and
//! `kiln-init: exit STATUS` as the init's last line, after all that the command wrote. Whoever listens
//! at `kiln.report` is told the same.
//! *Failure path*: whatever keeps the command from running stands on the console in one line, and the
//! machine ends with docker's status for it. Nothing is tried again, and nothing waits without a limit
//! but for the command.

mod button;
mod console;
mod ended;
mod inbox;
mod others;
mod report;
mod supervisor;
mod words;

use std::{error::Error, ffi::c_int, time::Duration};

use rustix::process::getpid;

use self::{
    console::Console,
    ended::Ended,
    inbox::Inbox,
    others::Others,
    report::{Event, Report},
    supervisor::Supervisor,
    words::Words,
};
use crate::{
    cause::{Cause, FAILED, chain},
    environment::Environment,
    identity::{Database, Identity},
    machine::{self, End},
    process::Program,
    settings::{SETTINGS, Settings},
    signal::Signal,
};

/// A slow console gets this long for what the command wrote last.
const LAST_WORDS_LIMIT: Duration = Duration::from_secs(10);

/// As process 1, runs the image's command and ends the machine. `words` are what stands after `--` on the
/// kernel's command line.
pub fn main(words: &[String]) -> c_int {
    let mut console = Console::open();
    if !getpid().is_init() {
        console.say("this is process 1 of a machine, and does nothing elsewhere");
        console.flush(LAST_WORDS_LIMIT);
        return c_int::from(FAILED);
    }
    let (end, mut report, outcome) = match Words::parse(words) {
        Ok(words) => {
            let mut report = None;
            let outcome = run(&words, &mut console, &mut report);
            // What kept the machine from being set up may have left a way to say so.
            let report = report.unwrap_or_else(|| open_report(&words, &mut console));
            (words.end, report, outcome)
        }
        Err(error) => (End::default(), Report::default(), Err(error.into())),
    };
    let ended = outcome.unwrap_or_else(|error| {
        console.say(&chain(&*error));
        Ended::NotStarted(error.downcast_ref().map_or(FAILED, Cause::status))
    });
    if let Err(error) = report.tell(&Event::exit(ended)) {
        console.say(&format!("the end could not be reported: {error}"));
    }
    report.close();
    console.say(&format!("exit {}", ended.status()));
    console.flush(LAST_WORDS_LIMIT);
    machine::switch_off(end, &mut |lost| {
        console.say(&lost);
        console.flush(LAST_WORDS_LIMIT);
    })
}

fn run(
    words: &Words,
    console: &mut Console,
    report: &mut Option<Report>,
) -> Result<Ended, Box<dyn Error>> {
    // Before anything can end or ask.
    let inbox = Inbox::open().map_err(Cause::Process)?;
    let settings = std::fs::read(SETTINGS)
        .map_err(|source| Cause::Unreadable { path: SETTINGS, source })
        .map_err(Box::<dyn Error>::from)
        .and_then(|bytes| Ok(Settings::parse(&bytes)?))?;
    let hostname = machine::set_up(&settings, &mut |note| console.say(&note))?;
    console.reopen();
    let report = report.insert(open_report(words, console));
    let stop_signal = Signal::parse(&settings.stop_signal).map_err(Cause::from)?;
    let program = program(&settings, &hostname)?;
    let others = Others::open();
    let (pid, output) = program.start()?;
    console.say("ready");
    if let Err(error) = report.tell(&Event::Ready) {
        console.say(&format!("readiness could not be reported: {error}"));
    }
    let stop_limit = Duration::from_secs(u64::from(settings.stop_seconds));
    let supervisor = Supervisor::new(pid, output, inbox, others, stop_signal, stop_limit);
    Ok(supervisor.run(console)?)
}

/// Nobody's where nobody listens.
fn open_report(words: &Words, console: &mut Console) -> Report {
    let Some(target) = &words.report else { return Report::default() };
    Report::open(target).unwrap_or_else(|error| {
        console.say(&format!("{target} cannot be reported to: {error}"));
        Report::default()
    })
}

fn program(settings: &Settings, hostname: &str) -> Result<Program, Cause> {
    let identity = Identity::find(&settings.user, &database()?)?;
    let environment = Environment::of(&settings.environment, hostname, &identity.home)?;
    let directory = &settings.working_directory;
    machine::make_directories(directory, 0o755)
        .map_err(|source| Cause::Directory { path: directory.clone(), source })?;
    Program::new(&settings.command, &environment, identity, directory)
}

fn database() -> Result<Database, Cause> {
    let read = |path: &'static str| match std::fs::read(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        other => other.map_err(|source| Cause::Unreadable { path, source }),
    };
    Ok(Database::new(&read("/etc/passwd")?, &read("/etc/group")?))
}
