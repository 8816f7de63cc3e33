//! What becomes of a call.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    NoSpace,
    InputOutputError,
    /// Half of the bytes are written, and the call says so. Of what writes no bytes: nothing.
    Short,
    /// The program gets SIGKILL before the call.
    Kill,
}

impl Action {
    const ALL: [Self; 4] = [Self::NoSpace, Self::InputOutputError, Self::Short, Self::Kill];

    pub fn name(self) -> &'static str {
        match self {
            Self::NoSpace => "enospc",
            Self::InputOutputError => "eio",
            Self::Short => "short",
            Self::Kill => "kill",
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.name() == name)
    }
}
