//! A story, and how it is told: tokens, a stage, a census before and after, a line in the report.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::{Arc, LazyLock},
    time::{Duration, Instant},
};

use anyhow::{Context as _, anyhow};
use libtest_mimic::{Completion, Failed, Trial};
use tokio::{
    runtime::{Builder, Runtime},
    time::timeout,
};

use crate::{
    Report, Settings, Stage, VmTokens, patience::patient, report::Outcome, settings::Tier,
};

/// Many boots under TCG on a loaded machine.
const LIMIT: Duration = Duration::from_secs(360);

/// A story that is being told.
pub type Telling<'a> = Pin<Box<dyn Future<Output = anyhow::Result<()>> + 'a>>;

/// One story and what it needs.
#[derive(Clone, Debug)]
pub struct Story {
    name: String,
    tell: for<'a> fn(&'a Stage) -> Telling<'a>,
    virtual_cpus: usize,
    why_not: fn(&Settings) -> Option<&'static str>,
    limit: Duration,
    tiers: &'static [Tier],
}

/// The stories of a module, each named after its function.
#[macro_export]
macro_rules! stories {
    ($($story:ident $(.$set:ident($($value:expr),*))*),* $(,)?) => {
        vec![$(
            $crate::Story::new(
                concat!(module_path!(), "::", stringify!($story)),
                |stage| Box::pin($story(stage)),
            )$(.$set($($value),*))*
        ),*]
    };
}

impl Story {
    /// A story that boots one virtual CPU at a time.
    pub fn new(path: &str, tell: for<'a> fn(&'a Stage) -> Telling<'a>) -> Self {
        let name = path.split_once("::").map_or(path, |(_crate, name)| name).to_owned();
        Self {
            name,
            tell,
            virtual_cpus: 1,
            why_not: |_| None,
            limit: LIMIT,
            tiers: &[Tier::Stories],
        }
    }

    /// How many virtual CPUs it boots at once; 0 when it boots none.
    #[must_use]
    pub fn virtual_cpus(self, virtual_cpus: usize) -> Self {
        Self { virtual_cpus, ..self }
    }

    /// Told under `--full` alone.
    #[must_use]
    pub fn only_full(self) -> Self {
        self.unless(|settings| (!settings.full).then_some("runs with --full"))
    }

    /// Not told when there is a reason against it.
    #[must_use]
    pub fn unless(self, why_not: fn(&Settings) -> Option<&'static str>) -> Self {
        Self { why_not, ..self }
    }

    #[must_use]
    pub fn limit(self, limit: Duration) -> Self {
        Self { limit, ..self }
    }

    /// Told a second time, with guests of Cloud Hypervisor.
    #[must_use]
    pub fn nested(self) -> Self {
        Self { tiers: &[Tier::Stories, Tier::Nested], ..self }
    }

    /// Told with guests of Cloud Hypervisor alone.
    #[must_use]
    pub fn only_nested(self) -> Self {
        Self { tiers: &[Tier::Nested], ..self }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn is_of(&self, tier: Tier) -> bool {
        self.tiers.contains(&tier)
    }

    /// Told by this program.
    pub(crate) fn trial(self, settings: Arc<Settings>) -> Trial {
        let name = self.name.clone();
        Trial::ignorable_test(name, move || {
            self.told(&settings).map_err(|error| Failed::from(format!("{error:#}")))
        })
    }

    fn told(self, settings: &Arc<Settings>) -> anyhow::Result<Completion> {
        let report = Report::new(settings.report.as_deref(), settings.tier);
        if let Some(why) = (self.why_not)(settings) {
            report.story(&self.name, Outcome::NotRun, Duration::ZERO, Some(why))?;
            return Ok(Completion::ignored_with(why));
        }
        let _tokens = VmTokens::take(self.virtual_cpus)?;
        let start = Instant::now();
        let runtime = RUNTIME.as_ref().map_err(|error| anyhow!("no runtime: {error}"))?;
        let told = self.on_stage(runtime, Arc::clone(settings));
        let why = told.as_ref().err().map(|error| format!("{error:#}"));
        let outcome = if why.is_some() { Outcome::Failed } else { Outcome::Passed };
        report.story(&self.name, outcome, start.elapsed(), why.as_deref())?;
        told.map(|()| Completion::Completed)
    }

    fn on_stage(&self, runtime: &Runtime, settings: Arc<Settings>) -> anyhow::Result<()> {
        let stage = Stage::set_up(settings)?;
        let limit = patient(self.limit);
        let telling = || runtime.block_on(async { timeout(limit, (self.tell)(&stage)).await });
        // A failed assertion ends the story alone; its hosts die while the stack unwinds. Nothing
        // that it may have left half done is looked at again but to be removed.
        let told = match catch_unwind(AssertUnwindSafe(telling)) {
            Ok(Ok(told)) => told,
            Ok(Err(_)) => Err(anyhow!("not told within {limit:?}")),
            Err(panic) => Err(anyhow!("{}", words(panic.as_ref()))),
        };
        let told = told.with_context(|| stage.logs());
        match told {
            Ok(()) => runtime.block_on(stage.strike()),
            Err(told) => match runtime.block_on(stage.clear()) {
                Ok(()) => Err(told),
                Err(left) => Err(told.context(format!("and afterwards: {left:#}"))),
            },
        }
    }
}

/// One for the whole run.
static RUNTIME: LazyLock<std::io::Result<Runtime>> =
    LazyLock::new(|| Builder::new_multi_thread().worker_threads(2).enable_all().build());

/// On the stories' runtime, for what is left to do after them.
pub fn block_on<T>(future: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    RUNTIME.as_ref().map_err(|error| anyhow!("no runtime: {error}"))?.block_on(future)
}

fn words(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("panicked")
}
