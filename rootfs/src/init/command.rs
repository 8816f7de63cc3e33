//! Whether a command would run, told without running it.

use std::io;

use kiln_init::{Identity, candidates};

use super::{
    content, elf, interpreter,
    place::{self, Lost},
};
use crate::{
    store::Store,
    tree::{Content, Kind, Metadata, NodeId, Tree},
};

/// Scripts of scripts of scripts: the kernel's limit.
const MAX_INTERPRETERS: u32 = 5;
const ACCESS_LIST: &[u8] = b"system.posix_acl_access";

#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    #[error("{program:?} is in none of the directories of PATH ({path})")]
    NotFound { program: String, path: String },
    #[error("there is no {0:?} in the image")]
    Missing(String),
    #[error("{0:?} is not a file")]
    NotFile(String),
    #[error("user {user} may not execute {path:?}, whose mode is {mode:o}")]
    Mode { path: String, user: u32, mode: u16 },
    #[error("{0:?} is neither a binary nor a script that starts with #!")]
    Format(String),
    #[error("{path:?} is a binary for {found}, and the image is for {wanted}")]
    Architecture { path: String, found: String, wanted: String },
    #[error("{path:?} needs {interpreter:?} to run it")]
    Interpreter { path: String, interpreter: String, source: Box<CommandError> },
    #[error("{0:?} is run by scripts that are run by scripts without an end")]
    Endless(String),
    #[error("{path:?} cannot be read")]
    Read { path: String, source: io::Error },
}

/// All that the answer depends on.
pub(super) struct Judge<'a> {
    pub(super) tree: &'a Tree,
    pub(super) store: &'a Store,
    pub(super) identity: &'a Identity,
    pub(super) architecture: &'a str,
    /// Absolute.
    pub(super) directory: &'a str,
}

impl Judge<'_> {
    /// Where a program is found, as an absolute path, when it would run from there.
    pub(super) fn find(&self, program: &str, path: &str) -> Result<String, CommandError> {
        let candidates = candidates(program, path).into_iter().map(|found| self.absolute(&found));
        if program.contains('/') {
            let found: Vec<String> = candidates.collect();
            let found = found.into_iter().next().unwrap_or_default();
            self.check(&found).map(|()| found)
        } else {
            let mut candidates = candidates.filter(|found| self.executable(found).is_ok());
            // What the first one then is, is not made good by another.
            let not_found =
                || CommandError::NotFound { program: program.to_owned(), path: path.to_owned() };
            let found = candidates.next().ok_or_else(not_found)?;
            self.check(&found).map(|()| found)
        }
    }

    /// Whether the kernel would run it.
    pub(super) fn check(&self, path: &str) -> Result<(), CommandError> {
        self.check_within(path, MAX_INTERPRETERS)
    }

    fn check_within(&self, path: &str, depth: u32) -> Result<(), CommandError> {
        let file = self.executable(path)?;
        let read = |start, length| {
            content::part(self.store, file, start, length)
                .map_err(|source| CommandError::Read { path: path.to_owned(), source })
        };
        let start = read(0, interpreter::LINE_BYTES.max(elf::HEADER_BYTES))?;
        if let Some(interpreter) = interpreter::of(&start) {
            let Some(depth) = depth.checked_sub(1) else {
                return Err(CommandError::Endless(path.to_owned()));
            };
            return self.check_interpreter(path, &interpreter, depth);
        }
        let format = || CommandError::Format(path.to_owned());
        let header = elf::Header::parse(&start).ok_or_else(format)?;
        if !header.machine.runs_on(self.architecture) {
            return Err(CommandError::Architecture {
                path: path.to_owned(),
                found: header.machine.name(),
                wanted: self.architecture.to_owned(),
            });
        }
        if header.table_bytes() > elf::MAX_TABLE_BYTES {
            return Err(format());
        }
        let table = read(header.table, header.table_bytes())?;
        if table.len() as u64 != header.table_bytes() {
            return Err(format());
        }
        let Some((at, length)) = header.interpreter(&table) else { return Ok(()) };
        if !(2..=elf::MAX_INTERPRETER_BYTES).contains(&length) {
            return Err(format());
        }
        let interpreter = read(at, length)?;
        let interpreter = interpreter.split(|byte| *byte == 0).next().unwrap_or_default();
        // The loader itself has none, or the kernel would not take it.
        self.check_interpreter(path, interpreter, 0)
    }

    fn check_interpreter(
        &self,
        path: &str,
        interpreter: &[u8],
        depth: u32,
    ) -> Result<(), CommandError> {
        let name = String::from_utf8_lossy(interpreter).into_owned();
        self.check_within(&self.absolute(&name), depth).map_err(|source| match source {
            endless @ CommandError::Endless(_) => endless,
            source => CommandError::Interpreter {
                path: path.to_owned(),
                interpreter: name,
                source: Box::new(source),
            },
        })
    }

    /// A file that the user may execute.
    fn executable(&self, path: &str) -> Result<&Content, CommandError> {
        let node = place::find(self.tree, path).map_err(|lost| match lost {
            Lost::Missing | Lost::NotDirectory | Lost::Loop => {
                CommandError::Missing(path.to_owned())
            }
        })?;
        let Kind::File(content) = &self.tree.node(node).kind else {
            return Err(CommandError::NotFile(path.to_owned()));
        };
        let metadata = &self.tree.node(node).metadata;
        if !self.may_execute(metadata) {
            let (user, mode) = (self.identity.user, metadata.mode);
            return Err(CommandError::Mode { path: path.to_owned(), user, mode });
        }
        Ok(content)
    }

    /// A list of access may say more or less than the mode; with one, any bit will do.
    fn may_execute(&self, metadata: &Metadata) -> bool {
        let Identity { user, group, groups, .. } = self.identity;
        let bits = if *user == 0 || metadata.attributes.contains_key(ACCESS_LIST) {
            0o111
        } else if metadata.user == *user {
            0o100
        } else if metadata.group == *group || groups.contains(&metadata.group) {
            0o010
        } else {
            0o001
        };
        metadata.mode & bits != 0
    }

    pub(super) fn node(&self, path: &str) -> Option<NodeId> {
        place::find(self.tree, path).ok()
    }

    fn absolute(&self, path: &str) -> String {
        if path.starts_with('/') {
            return path.to_owned();
        }
        format!("{}/{path}", self.directory.trim_end_matches('/'))
    }
}
