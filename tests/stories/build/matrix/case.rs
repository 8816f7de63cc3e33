//! One Dockerfile of the matrix, with its context.
//!
//! `cases/NAME/context` is the context, `prepare` a script that adds to it what no checkout keeps, and
//! `arguments` are words for the builder, one a line: `@` is the context's directory, `BASE` the image
//! that is there to build from.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, ensure};

use super::super::scene::based;

/// Of whatever a `prepare` says nothing about.
const TIME: &str = "@1700000000";

#[derive(Clone, Debug)]
pub(super) struct Case {
    pub(super) name: String,
    /// Words before the context.
    arguments: Vec<String>,
    source: PathBuf,
}

impl Case {
    pub(super) fn all() -> anyhow::Result<Vec<Self>> {
        let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("stories/build/matrix/cases");
        let mut all = Vec::new();
        for entry in std::fs::read_dir(&cases).context("the matrix")? {
            let source = entry?.path();
            let arguments = source.join("arguments");
            let arguments = if arguments.exists() {
                based(&std::fs::read_to_string(arguments)?).lines().map(str::to_owned).collect()
            } else {
                Vec::new()
            };
            let name = source.file_name().context("a case without a name")?.to_string_lossy();
            all.push(Self { name: name.into_owned(), arguments, source });
        }
        all.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(all)
    }

    /// The words, for a context in this directory.
    pub(super) fn arguments(&self, context: &Path) -> Vec<String> {
        let context = context.display().to_string();
        self.arguments.iter().map(|word| word.replace('@', &context)).collect()
    }

    /// What its context is called. An engine takes contexts of one name for one that has changed: of
    /// what is alike in two of them, the second would have the first one's times.
    pub(super) fn context_name(&self) -> String {
        format!("context-{}", self.name)
    }

    /// Makes the context in a directory of this case's name, with the same times each time.
    pub(super) fn prepare(&self, directory: &Path) -> anyhow::Result<PathBuf> {
        let context = directory.join(&self.name).join(self.context_name());
        std::fs::create_dir_all(directory.join(&self.name))?;
        let script = "umask 022
            cp -r --no-preserve=all \"$0/context\" \"$1\" && cd \"$1\" || exit
            if [ -e \"$0/prepare\" ]; then sh -e \"$0/prepare\" || exit; fi
            find . -exec touch --no-dereference --date=\"$2\" {} +";
        let mut shell = Command::new("sh");
        let shell = shell.args(["-c", script]).arg(&self.source).arg(&context).arg(TIME);
        let output = shell.output().context("running sh")?;
        let told = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "preparing {}: {told}", self.name);
        for file in ["Dockerfile", "other.Dockerfile", "docker/build.file"] {
            let path = context.join(file);
            if path.exists() {
                let times = std::fs::metadata(&path)?.modified()?;
                std::fs::write(&path, based(&std::fs::read_to_string(&path)?))?;
                std::fs::File::options().write(true).open(&path)?.set_modified(times)?;
            }
        }
        Ok(context)
    }
}
