//! The environment of a command: nothing is inherited, and nothing goes through a shell.

use std::{collections::HashSet, ffi::CString};

use kiln_proto::agent::v1::EnvironmentVariable;

/// Where `execvp` looks for a program when there is no `PATH`.
const DEFAULT_PATH: &[u8] = b"/bin:/usr/bin";

#[derive(Debug, Default)]
pub(crate) struct Environment {
    /// `NAME=value`.
    variables: Vec<CString>,
    path: Option<Vec<u8>>,
    has_home: bool,
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidEnvironment {
    #[error("{0:?} is not the name of a variable")]
    Name(String),
    #[error("variable {0} stands twice")]
    Twice(String),
    #[error("the value of variable {0} contains a NUL byte")]
    Nul(String),
}

impl TryFrom<Vec<EnvironmentVariable>> for Environment {
    type Error = InvalidEnvironment;

    fn try_from(wire: Vec<EnvironmentVariable>) -> Result<Self, InvalidEnvironment> {
        let mut environment = Self::default();
        let mut names = HashSet::new();
        for EnvironmentVariable { name, value } in wire {
            if name.is_empty() || name.contains(['=', '\0']) {
                return Err(InvalidEnvironment::Name(name));
            }
            let Ok(variable) = CString::new(format!("{name}={value}")) else {
                return Err(InvalidEnvironment::Nul(name));
            };
            environment.variables.push(variable);
            match &*name {
                "PATH" => environment.path = Some(value.into_bytes()),
                "HOME" => environment.has_home = true,
                _ => {}
            }
            if let Some(name) = names.replace(name) {
                return Err(InvalidEnvironment::Twice(name));
            }
        }
        Ok(environment)
    }
}

impl Environment {
    pub(super) fn path(&self) -> &[u8] {
        self.path.as_deref().unwrap_or(DEFAULT_PATH)
    }

    pub(super) fn with_home(&self, home: &str) -> Vec<CString> {
        let mut variables = self.variables.clone();
        if !self.has_home {
            // A home directory with a NUL byte in it was replaced by `/` when it was looked up.
            variables.extend(CString::new(format!("HOME={home}")));
        }
        variables
    }
}
