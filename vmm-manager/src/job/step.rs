//! The steps of a job, as its record times them.

use std::{borrow::Cow, fmt, str::FromStr};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    Queue,
    Disks,
    Fetch,
    Vmm,
    Boot,
    Hello,
    Attach,
    Source,
    Engine,
    Work,
    Stop,
    Pack,
    Ingest,
    Check,
    Publish,
}

#[derive(Debug, thiserror::Error)]
#[error("{0:?} is no step of a job")]
pub struct UnknownStep(String);

impl Step {
    pub const ALL: [Self; 15] = [
        Self::Queue,
        Self::Disks,
        Self::Fetch,
        Self::Vmm,
        Self::Boot,
        Self::Hello,
        Self::Attach,
        Self::Source,
        Self::Engine,
        Self::Work,
        Self::Stop,
        Self::Pack,
        Self::Ingest,
        Self::Check,
        Self::Publish,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Queue => "queue",
            Self::Disks => "disks",
            Self::Fetch => "fetch",
            Self::Vmm => "vmm",
            Self::Boot => "boot",
            Self::Hello => "hello",
            Self::Attach => "attach",
            Self::Source => "source",
            Self::Engine => "engine",
            Self::Work => "work",
            Self::Stop => "stop",
            Self::Pack => "pack",
            Self::Ingest => "ingest",
            Self::Check => "check",
            Self::Publish => "publish",
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl FromStr for Step {
    type Err = UnknownStep;

    fn from_str(name: &str) -> Result<Self, UnknownStep> {
        let named = Self::ALL.into_iter().find(|step| step.name() == name);
        named.ok_or_else(|| UnknownStep(name.to_owned()))
    }
}

/// For a failure's details.
impl From<Step> for Cow<'static, str> {
    fn from(step: Step) -> Self {
        Self::Borrowed(step.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back() {
        for step in Step::ALL {
            assert_eq!(step.name().parse::<Step>().unwrap(), step);
        }
        assert!("shutdown".parse::<Step>().is_err());
    }
}
