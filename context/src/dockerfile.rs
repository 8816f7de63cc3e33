//! Where the Dockerfile is, and which ignore file goes with it.
//!
//! | the Dockerfile | how it goes |
//! |---|---|
//! | in the context | in the tar, whatever ignores it; named by its path |
//! | elsewhere, on stdin, or a link that leads out of its directory | by value |
//! | the same, with an ignore file of its own | in the tar, put aside in a directory that nothing sees |
//!
//! The engine looks for `NAME.dockerignore` beside the Dockerfile and for `.dockerignore` in the
//! context, so the one that counts must stand where it looks.

mod aside;
mod ignore_file;
#[cfg(test)]
mod tests;

use std::{
    fs::{self, File},
    io::{self, Read},
    os::unix::ffi::OsStrExt,
    path::{Component, Path, PathBuf},
};

pub(crate) use self::{
    aside::{aside, aside_name},
    ignore_file::{IgnoreFile, OWN},
};

const USUAL: &str = "Dockerfile";
const LOWER_CASE: &str = "dockerfile";
/// As kilnd takes them by value.
pub(crate) const LONGEST: u64 = 2 << 20;

/// What was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// `Dockerfile` in the context.
    Usual,
    /// Seen from where the caller stands, not from the context.
    File(PathBuf),
    /// By value, as from stdin.
    Given(Vec<u8>),
}

/// For the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Dockerfile {
    /// In the context.
    Path(String),
    Inline(Vec<u8>),
}

#[derive(Debug, thiserror::Error)]
pub enum DockerfileError {
    #[error("the context {} cannot be read", path.display())]
    Context { path: PathBuf, source: io::Error },
    #[error("the context {} is no directory", path.display())]
    NoDirectory { path: PathBuf },
    #[error(
        "failed to read dockerfile: open {name}: no such file or directory: looked for {}; --file \
         names another",
        looked.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(" and ")
    )]
    Missing { name: String, looked: Vec<PathBuf> },
    #[error("the Dockerfile {} is no file", path.display())]
    NoFile { path: PathBuf },
    #[error("the Dockerfile {} cannot be read", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("the Dockerfile is longer than {} MiB", LONGEST >> 20)]
    TooLong,
    #[error("the Dockerfile is empty")]
    Empty,
    #[error("the ignore file {} cannot be read", path.display())]
    Ignore { path: PathBuf, source: io::Error },
}

/// What is known before the walk.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) dockerfile: Dockerfile,
    pub(crate) ignore: Option<IgnoreFile>,
    /// In the context, and sent even if ignored.
    pub(crate) always: Vec<Vec<u8>>,
    /// A Dockerfile that is put aside with its ignore file.
    pub(crate) aside: Option<Vec<u8>>,
}

pub(crate) fn plan(context: &Path, choice: &Choice) -> Result<Plan, DockerfileError> {
    let root = fs::canonicalize(context)
        .map_err(|source| DockerfileError::Context { path: context.to_owned(), source })?;
    if !root.is_dir() {
        return Err(DockerfileError::NoDirectory { path: context.to_owned() });
    }
    let path = match choice {
        Choice::Usual => found(&context.join(USUAL))?,
        Choice::File(path) => found(path)?,
        Choice::Given(content) => {
            let dockerfile = Dockerfile::Inline(checked(content.clone())?);
            let ignore = IgnoreFile::of_context(&root)?;
            let always = ignore.iter().flat_map(IgnoreFile::places).collect();
            return Ok(Plan { dockerfile, ignore, always, aside: None });
        }
    };
    let own = IgnoreFile::beside(&root, &path)?;
    let Some(inside) = inside(&root, &path)? else {
        let content = read(&path)?;
        return Ok(match own {
            Some(own) => {
                // Its name stands for nothing in the context.
                let ignore = Some(IgnoreFile { place: None, target: None, ..own });
                let dockerfile = Dockerfile::Inline(Vec::new());
                Plan { dockerfile, ignore, always: Vec::new(), aside: Some(content) }
            }
            None => {
                let ignore = IgnoreFile::of_context(&root)?;
                let always = ignore.iter().flat_map(IgnoreFile::places).collect();
                Plan { dockerfile: Dockerfile::Inline(content), ignore, always, aside: None }
            }
        });
    };
    let ignore = match own {
        Some(own) => Some(own),
        None => IgnoreFile::of_context(&root)?,
    };
    let mut always: Vec<_> = ignore.iter().flat_map(IgnoreFile::places).collect();
    always.extend(inside.targets);
    always.push(inside.path.clone().into_bytes());
    Ok(Plan { dockerfile: Dockerfile::Path(inside.path), ignore, always, aside: None })
}

/// Where the context alone is asked for, as of a named one.
pub(crate) fn plan_without(context: &Path) -> Result<Plan, DockerfileError> {
    let wrong = |source| DockerfileError::Context { path: context.to_owned(), source };
    let root = fs::canonicalize(context).map_err(wrong)?;
    if !root.is_dir() {
        return Err(DockerfileError::NoDirectory { path: context.to_owned() });
    }
    let ignore = IgnoreFile::of_context(&root)?;
    let always = ignore.iter().flat_map(IgnoreFile::places).collect();
    Ok(Plan { dockerfile: Dockerfile::Inline(Vec::new()), ignore, always, aside: None })
}

/// `dockerfile` will do where there is no `Dockerfile`.
fn found(path: &Path) -> Result<PathBuf, DockerfileError> {
    let mut looked = vec![path.to_owned()];
    if path.file_name().is_some_and(|name| name == USUAL) {
        looked.push(path.with_file_name(LOWER_CASE));
    }
    for path in &looked {
        match fs::metadata(path) {
            Ok(metadata) if metadata.is_file() => return Ok(path.clone()),
            Ok(_) => return Err(DockerfileError::NoFile { path: path.clone() }),
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
                ) => {}
            Err(source) => return Err(DockerfileError::Read { path: path.clone(), source }),
        }
    }
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
    Err(DockerfileError::Missing { name, looked })
}

#[derive(Debug)]
struct Inside {
    path: String,
    /// Where links lead to on the way.
    targets: Vec<Vec<u8>>,
}

/// Its place in the context, if the engine finds it there: a link may not leave its directory, which
/// is all that the engine looks into.
fn inside(root: &Path, path: &Path) -> Result<Option<Inside>, DockerfileError> {
    let wrong = |source| DockerfileError::Read { path: path.to_owned(), source };
    let (Some(name), Some(parent)) = (path.file_name(), path.parent()) else { return Ok(None) };
    let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
    let directory = fs::canonicalize(parent).map_err(wrong)?;
    let Ok(below) = directory.strip_prefix(root) else { return Ok(None) };
    // What the request can carry.
    let Some(text) = below.join(name).to_str().map(str::to_owned) else { return Ok(None) };
    if text.chars().any(char::is_control) {
        return Ok(None);
    }
    let mut targets = Vec::new();
    let mut at = directory.join(name);
    // As many as the kernel follows.
    for _ in 0..40 {
        if !fs::symlink_metadata(&at).map_err(wrong)?.is_symlink() {
            return Ok(Some(Inside { path: text, targets }));
        }
        let target = fs::read_link(&at).map_err(wrong)?;
        let stays = |part: &Component<'_>| matches!(part, Component::Normal(_) | Component::CurDir);
        if !target.components().all(|part| stays(&part)) {
            return Ok(None);
        }
        at = at.with_file_name("").join(&target);
        let real = fs::canonicalize(at.parent().unwrap_or(&at)).map_err(wrong)?;
        // Through a link to another directory.
        let lexical: PathBuf = at.parent().unwrap_or(&at).components().collect();
        if real != lexical {
            return Ok(None);
        }
        match at.strip_prefix(root) {
            Ok(below) => {
                let below: PathBuf = below.components().collect();
                targets.push(below.as_os_str().as_bytes().to_vec());
            }
            Err(_) => return Ok(None),
        }
    }
    Ok(None)
}

fn read(path: &Path) -> Result<Vec<u8>, DockerfileError> {
    let wrong = |source| DockerfileError::Read { path: path.to_owned(), source };
    let mut content = Vec::new();
    let file = File::open(path).map_err(wrong)?;
    file.take(LONGEST + 1).read_to_end(&mut content).map_err(wrong)?;
    checked(content)
}

pub(crate) fn checked(content: Vec<u8>) -> Result<Vec<u8>, DockerfileError> {
    match content.len() as u64 {
        0 => Err(DockerfileError::Empty),
        LONGEST.. if content.len() as u64 > LONGEST => Err(DockerfileError::TooLong),
        _ => Ok(content),
    }
}
