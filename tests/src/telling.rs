//! A run of stories: which are told, in what order and where.

use std::{sync::Arc, thread};

use anyhow::Context as _;
use libtest_mimic::{Arguments, Completion, Conclusion, Failed, Trial};

use crate::{
    Report, Settings, Story,
    nested::{Nested, Told},
    report::Outcome,
    settings::Tier,
};

/// How a nested story is called where it is not alone.
const NESTED: &str = "nested::";

/// Tells the stories of this shard, as many at once as there are processors unless the caller asks for
/// another number of threads: each waits for as many processors as its guests have. The nested ones come
/// last, and with the last shard.
pub fn tell(stories: Vec<Story>) -> anyhow::Result<Conclusion> {
    let mut arguments = Arguments::from_args();
    let processors = thread::available_parallelism().map_or(1, usize::from);
    arguments.test_threads.get_or_insert(processors);
    match Settings::from_environment()?.map(Arc::new) {
        None => Ok(libtest_mimic::run(&arguments, hinted(&stories))),
        Some(settings) if settings.tier == Tier::Nested => {
            tell_nested(&arguments, stories, &settings)
        }
        Some(settings) => tell_here(&arguments, stories, &settings),
    }
}

/// Nobody asked for them.
fn hinted(stories: &[Story]) -> Vec<Trial> {
    let of = |tier, prefix: &'static str| {
        let of_tier = stories.iter().filter(move |story| story.is_of(tier));
        of_tier.map(move |story| format!("{prefix}{}", story.name()))
    };
    let names = of(Tier::Stories, "").chain(of(Tier::Nested, NESTED));
    let hinted = || Ok(Completion::ignored_with(Settings::HINT));
    names.map(|name| Trial::ignorable_test(name, hinted)).collect()
}

fn tell_here(
    arguments: &Arguments,
    stories: Vec<Story>,
    settings: &Arc<Settings>,
) -> anyhow::Result<Conclusion> {
    let names = stories.iter().filter(|story| story.is_of(Tier::Nested)).map(Story::name);
    let is_asked = |name: &&str| is_selected(arguments, &format!("{NESTED}{name}"));
    let names: Vec<String> = if settings.shard.is_last() {
        names.filter(is_asked).map(str::to_owned).collect()
    } else {
        Vec::new()
    };
    let nested = Arc::new(Nested::new(Arc::clone(settings), names.clone()));
    let nested_trials = names.into_iter().map(|name| nested_trial(name, settings, &nested));
    let nested_trials: Vec<Trial> = nested_trials.collect();
    let ours = stories.into_iter().filter(|story| story.is_of(Tier::Stories)).enumerate();
    let trials = ours
        .filter(|(position, _)| settings.shard.holds(*position))
        .map(|(_, story)| story.trial(Arc::clone(settings)))
        .chain(nested_trials)
        .collect();
    let conclusion = libtest_mimic::run(arguments, trials);
    nested.close().context("the nested stories")?;
    Ok(conclusion)
}

/// This program is the run.
fn tell_nested(
    arguments: &Arguments,
    stories: Vec<Story>,
    settings: &Arc<Settings>,
) -> anyhow::Result<Conclusion> {
    let is_told = |story: &Story| {
        let names = settings.told.as_ref();
        story.is_of(Tier::Nested)
            && names.is_none_or(|names| names.iter().any(|name| name == story.name()))
    };
    let told = stories.into_iter().filter(is_told);
    let trials: Vec<Trial> = told.map(|story| story.trial(Arc::clone(settings))).collect();
    let count = trials.iter().filter(|trial| is_selected(arguments, trial.name())).count();
    let conclusion = libtest_mimic::run(arguments, trials);
    Report::new(settings.report.as_deref(), settings.tier).end(count)?;
    Ok(conclusion)
}

fn nested_trial(name: String, settings: &Arc<Settings>, nested: &Arc<Nested>) -> Trial {
    let (settings, nested) = (Arc::clone(settings), Arc::clone(nested));
    Trial::ignorable_test(format!("{NESTED}{name}"), move || {
        let told = match nested.told(&name) {
            Ok(Ok(told)) => told,
            Ok(Err(missing)) => Told::not_run(missing.to_string()),
            Err(error) => Told::failed(format!("{error:#}")),
        };
        let Told { outcome, took, why } = told;
        let report = Report::new(settings.report.as_deref(), Tier::Nested);
        let reported = report.story(&name, outcome, took, why.as_deref());
        reported.map_err(|error| Failed::from(format!("{error:#}")))?;
        match outcome {
            Outcome::Passed => Ok(Completion::Completed),
            Outcome::NotRun => Ok(Completion::ignored_with(why.unwrap_or_default())),
            Outcome::Failed => Err(Failed::from(why.unwrap_or_default())),
        }
    })
}

/// As the runner itself will decide.
fn is_selected(arguments: &Arguments, name: &str) -> bool {
    let matches = |filter: &String| {
        if arguments.exact { name == filter } else { name.contains(filter.as_str()) }
    };
    arguments.filter.as_ref().is_none_or(matches) && !arguments.skip.iter().any(matches)
}
