//! The nested stories: those that are told once more with guests of Cloud Hypervisor under KVM.
//!
//! ```text
//! kvm runs the guest image here ──▶ this program again, on this host
//! else ──▶ the outer host: QEMU with AMD-V ──▶ this program again, in it
//! neither can be ──▶ each is reported as not run, with the reason
//! ```
//!
//! It is the same program with the same stories each time. One run tells all of them, and appends to
//! its report a line for each; they are taken from there one by one, as if they were told here.
//!
//! *Happy path*: the first story that is asked for starts the run, each waits for its own line, and
//! the last word of the run is how many lines there were. *Failure paths*: the run ends early, or
//! says nothing for [`SILENCE`]: whatever has no line yet fails with the end of what the run said.

mod lines;
mod missing;
mod outer;
mod place;
mod run;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail, ensure};

use self::{lines::Line, missing::Missing, place::Place, run::Run};
pub(crate) use self::{lines::Told, place::on_path};
use crate::{Report, Settings, VmTokens, settings::Tier};

const PAUSE: Duration = Duration::from_millis(200);
/// Longer than any one story may take in the slowest place.
const SILENCE: Duration = Duration::from_secs(1800);
/// From the last story's line to the end of the run.
const END: Duration = Duration::from_secs(300);

/// One run of them.
#[derive(Debug)]
pub(crate) struct Nested {
    settings: Arc<Settings>,
    /// Those that were asked for, in their order.
    names: Vec<String>,
    state: Mutex<State>,
}

#[derive(Debug)]
enum State {
    NotBegun,
    Missing(Missing),
    Running(Box<Running>),
    Failed(String),
    Over,
}

#[derive(Debug)]
struct Running {
    run: Run,
    /// Lines that nobody has asked for yet.
    told: BTreeMap<String, Told>,
    lines: usize,
    /// How many there were, by the run's own count.
    end: Option<usize>,
    heard: Instant,
    _token: VmTokens,
}

impl Nested {
    pub(crate) fn new(settings: Arc<Settings>, names: Vec<String>) -> Self {
        Self { settings, names, state: Mutex::new(State::NotBegun) }
    }

    /// Waits for a story to be told.
    pub(crate) fn told(&self, name: &str) -> anyhow::Result<Result<Told, Missing>> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(*state, State::NotBegun) {
            *state = self.begin()?;
        }
        loop {
            let running = match &mut *state {
                State::Missing(missing) => return Ok(Err(missing.clone())),
                State::Failed(why) => bail!("{why}"),
                State::NotBegun | State::Over => bail!("nobody tells it any more"),
                State::Running(running) => running,
            };
            if let Some(told) = running.told.remove(name) {
                return Ok(Ok(told));
            }
            match running.listen(&self.settings) {
                Ok(true) => {}
                Ok(false) => sleep(PAUSE),
                Err(error) => *state = State::Failed(format!("{error:#}")),
            }
        }
    }

    fn begin(&self) -> anyhow::Result<State> {
        let place = match Place::find(&self.settings)? {
            Ok(place) => place,
            Err(missing) => return Ok(State::Missing(missing)),
        };
        let token = VmTokens::take(1)?;
        let run = Run::start(&place, &self.settings, &self.names)?;
        Ok(State::Running(Box::new(Running {
            run,
            told: BTreeMap::new(),
            lines: 0,
            end: None,
            heard: Instant::now(),
            _token: token,
        })))
    }

    /// After the last story: the run has to end well, with nothing left of it.
    pub(crate) fn close(&self) -> anyhow::Result<()> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let State::Running(mut running) = std::mem::replace(&mut *state, State::Over) else {
            return Ok(());
        };
        let limit = Instant::now() + END;
        while !running.run.has_ended()? {
            ensure!(Instant::now() < limit, "the run goes on{}", running.run.last_words());
            sleep(PAUSE);
        }
        while running.listen(&self.settings).is_ok_and(|heard| heard) {}
        let Running { run, lines, end, .. } = *running;
        ensure!(end == Some(lines), "of {end:?} lines {lines} arrived{}", run.last_words());
        run.strike()
    }
}

impl Running {
    /// Whether there was anything to hear.
    fn listen(&mut self, settings: &Settings) -> anyhow::Result<bool> {
        // Asked first: what it said until its end is heard all the same.
        let has_ended = self.run.has_ended()?;
        let heard = self.run.read()?;
        for line in &heard {
            match line {
                Line::Machine(machine) => {
                    let [vmm, version, accelerator] = machine;
                    let report = Report::new(settings.report.as_deref(), Tier::Nested);
                    report.machine(vmm, version, accelerator)?;
                }
                Line::Story(name, told) => {
                    self.lines += 1;
                    self.told.insert(name.clone(), told.clone());
                }
                Line::End(count) => self.end = Some(*count),
            }
        }
        if !heard.is_empty() {
            self.heard = Instant::now();
            return Ok(true);
        }
        ensure!(!has_ended, "the run has ended{}", self.run.last_words());
        ensure!(self.end.is_none(), "the run left it out{}", self.run.last_words());
        if self.heard.elapsed() > SILENCE {
            self.run.kill().context("ending a run that says nothing")?;
            bail!("nothing was heard of the run for {SILENCE:?}{}", self.run.last_words());
        }
        Ok(false)
    }
}
