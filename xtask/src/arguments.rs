//! What can be asked for.

use anyhow::{Context as _, bail, ensure};

pub(crate) const USAGE: &str = "\
cargo xtask <task>
  setup                       install what is missing
  demo                        run a command in a real microVM
  test [--full] [--shard I/N] [FILTER]
                              the crates' own tests, then the stories in VMs; with FILTER, only
                              what has it in its name; --full runs the large counts
  check                       formatting, lints, licences, documentation, house figures
  bench [NAME]                the benches, or one of them
  image [--refresh] [--verify-reproducible]
                              make the guest image, of newer packages, twice";

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Task {
    Help,
    Setup,
    Demo,
    Test(TestOptions),
    Check,
    Bench { name: Option<String> },
    Image(ImageOptions),
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TestOptions {
    pub(crate) full: bool,
    /// As given: the story runner splits the stories.
    pub(crate) shard: Option<String>,
    pub(crate) filter: Option<String>,
}

#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct ImageOptions {
    pub(crate) refresh: bool,
    pub(crate) verify_reproducible: bool,
}

impl Task {
    pub(crate) fn parse(arguments: impl IntoIterator<Item = String>) -> anyhow::Result<Self> {
        let mut arguments = arguments.into_iter();
        let task = arguments.next().context("no task was named")?;
        let mut rest = Rest::of(arguments)?;
        let task = match &*task {
            "help" | "--help" | "-h" => Self::Help,
            "setup" => Self::Setup,
            "demo" => Self::Demo,
            "test" => Self::Test(TestOptions {
                full: rest.flag("--full"),
                shard: rest.value("--shard")?.map(shard).transpose()?,
                filter: rest.word(),
            }),
            "check" => Self::Check,
            "bench" => Self::Bench { name: rest.word() },
            "image" => Self::Image(ImageOptions {
                refresh: rest.flag("--refresh"),
                verify_reproducible: rest.flag("--verify-reproducible"),
            }),
            other => bail!("there is no task {other}"),
        };
        match rest.0.first() {
            Some(unknown) => bail!("{unknown} means nothing here"),
            None => Ok(task),
        }
    }
}

/// The arguments that nobody has taken yet.
struct Rest(Vec<String>);

impl Rest {
    fn of(arguments: impl Iterator<Item = String>) -> anyhow::Result<Self> {
        let mut rest = Vec::new();
        for argument in arguments {
            ensure!(!argument.is_empty(), "an argument is empty");
            match argument.split_once('=') {
                Some((name, value)) if name.starts_with("--") => {
                    rest.extend([name.to_owned(), value.to_owned()]);
                }
                _ => rest.push(argument),
            }
        }
        Ok(Self(rest))
    }

    fn flag(&mut self, name: &str) -> bool {
        let position = self.0.iter().position(|argument| argument == name);
        position.map(|position| self.0.remove(position)).is_some()
    }

    fn value(&mut self, name: &str) -> anyhow::Result<Option<String>> {
        let Some(position) = self.0.iter().position(|argument| argument == name) else {
            return Ok(None);
        };
        ensure!(position + 1 < self.0.len(), "{name} wants a value");
        self.0.remove(position);
        Ok(Some(self.0.remove(position)))
    }

    fn word(&mut self) -> Option<String> {
        let position = self.0.iter().position(|argument| !argument.starts_with('-'))?;
        Some(self.0.remove(position))
    }
}

fn shard(text: String) -> anyhow::Result<String> {
    let numbers = text
        .split_once('/')
        .and_then(|(index, count)| Some((index.parse::<u32>().ok()?, count.parse::<u32>().ok()?)));
    match numbers {
        Some((index, count)) if (1..=count).contains(&index) => Ok(text),
        _ => bail!("--shard {text}: write it as in 2/3, the second of three"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Task, String> {
        Task::parse(line.split_whitespace().map(str::to_owned)).map_err(|error| error.to_string())
    }

    #[test]
    fn options_stand_in_any_order() {
        let options = TestOptions {
            full: true,
            shard: Some("2/3".to_owned()),
            filter: Some("streams".to_owned()),
        };
        for line in ["test --full --shard 2/3 streams", "test streams --shard=2/3 --full"] {
            assert_eq!(parse(line).as_ref(), Ok(&Task::Test(options.clone())));
        }
        let image = ImageOptions { refresh: false, verify_reproducible: true };
        assert_eq!(parse("image --verify-reproducible"), Ok(Task::Image(image)));
        assert_eq!(parse("bench"), Ok(Task::Bench { name: None }));
    }

    #[test]
    fn what_cannot_be_done_is_named() {
        for (line, problem) in [
            ("", "no task was named"),
            ("brew", "there is no task brew"),
            ("check --full", "--full means nothing here"),
            ("test a b", "b means nothing here"),
            ("test --shard", "--shard wants a value"),
            ("test --shard 0/3", "--shard 0/3: write it as in 2/3, the second of three"),
            ("test --shard 4/3", "--shard 4/3: write it as in 2/3, the second of three"),
        ] {
            assert_eq!(parse(line), Err(problem.to_owned()), "{line}");
        }
    }
}
