//! `--env-file` and `--env` together: files in order, then options in order, the last one wins.

#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
};

use crate::args::Variable;

#[derive(Debug, thiserror::Error)]
pub(crate) enum EnvironmentError {
    #[error("--env-file {}", path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("--env-file {}: line {line}: {problem}", path.display())]
    Line { path: PathBuf, line: usize, problem: &'static str },
    #[error("--env {name}: its value in your environment is not UTF-8")]
    NotUtf8 { name: String },
}

/// `own` looks a name up in the caller's environment.
pub(crate) fn gather(
    files: &[PathBuf],
    options: &[Variable],
    own: impl Fn(&str) -> Option<OsString>,
) -> Result<BTreeMap<String, String>, EnvironmentError> {
    let mut variables = Vec::new();
    for path in files {
        let source = |source| EnvironmentError::File { path: path.clone(), source };
        parse(path, &fs::read_to_string(path).map_err(source)?, &mut variables)?;
    }
    variables.extend_from_slice(options);
    let mut gathered = BTreeMap::new();
    for Variable { name, value } in variables {
        let value = match value {
            Some(value) => value,
            // As in docker: what does not stand in the caller's environment is not passed on.
            None => match own(&name).map(OsString::into_string) {
                None => continue,
                Some(Ok(value)) => value,
                Some(Err(_)) => return Err(EnvironmentError::NotUtf8 { name }),
            },
        };
        gathered.insert(name, value);
    }
    Ok(gathered)
}

/// Docker's format: `NAME=VALUE` as it stands, without quoting; `NAME` alone; `#` begins a comment
/// line.
fn parse(path: &Path, text: &str, into: &mut Vec<Variable>) -> Result<(), EnvironmentError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    for (index, line) in text.lines().enumerate() {
        let line = line.trim_start();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let wrong =
            |problem| EnvironmentError::Line { path: path.to_owned(), line: index + 1, problem };
        let variable: Variable = line.parse().map_err(|_| wrong("a variable needs a name"))?;
        if variable.name.contains(char::is_whitespace) {
            return Err(wrong("a variable's name has no blanks: write NAME=VALUE"));
        }
        if line.contains('\0') {
            return Err(wrong("a variable cannot hold a zero byte"));
        }
        into.push(variable);
    }
    Ok(())
}
