//! Why a job failed: a class that says who can mend it, words, and fields.

use std::{borrow::Cow, collections::BTreeMap, fmt};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureClass {
    User,
    Source,
    Registry,
    EgressDenied,
    Oom,
    DiskFull,
    Policy,
    Infrastructure,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    pub class: FailureClass,
    /// What was wrong, where, and what to do next.
    pub message: String,
    pub details: BTreeMap<Cow<'static, str>, String>,
}

impl Failure {
    pub fn new(class: FailureClass, message: impl Into<String>) -> Self {
        Self { class, message: message.into(), details: BTreeMap::new() }
    }

    /// Kiln's own fault at `step`, with everything that the error says.
    pub fn infrastructure(
        step: impl Into<Cow<'static, str>>,
        error: &(dyn std::error::Error + 'static),
    ) -> Self {
        let mut message = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            message = format!("{message}: {cause}");
            source = cause.source();
        }
        Self::new(FailureClass::Infrastructure, message).with("step", step.into())
    }

    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl fmt::Display) -> Self {
        self.details.insert(Cow::Borrowed(name), value.to_string());
        self
    }
}
