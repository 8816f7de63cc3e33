//! How a job, or its command, ended.

use std::{borrow::Cow, collections::BTreeMap};

use serde::{Deserialize, Serialize};

use crate::job::{ExitStatus, Failure, FailureClass, Outcome};

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum OutcomeDocument {
    Completed,
    Failed { class: Class, message: String, details: BTreeMap<String, String>, exit: Option<Exit> },
    Cancelled,
    Timeout,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Exit {
    code: i32,
    signal: Option<i32>,
}

#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Class {
    User,
    Source,
    Registry,
    EgressDenied,
    Oom,
    DiskFull,
    Policy,
    Infrastructure,
}

impl From<ExitStatus> for Exit {
    fn from(exit: ExitStatus) -> Self {
        let ExitStatus { code, signal } = exit;
        Self { code, signal }
    }
}

impl From<Exit> for ExitStatus {
    fn from(exit: Exit) -> Self {
        let Exit { code, signal } = exit;
        Self { code, signal }
    }
}

impl From<&Outcome> for OutcomeDocument {
    fn from(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Completed => Self::Completed,
            Outcome::Failed { failure, exit } => {
                let Failure { class, message, details } = failure.clone();
                let details =
                    details.into_iter().map(|(name, value)| (name.into_owned(), value)).collect();
                let exit = exit.map(Exit::from);
                Self::Failed { class: class.into(), message, details, exit }
            }
            Outcome::Cancelled => Self::Cancelled,
            Outcome::Timeout => Self::Timeout,
        }
    }
}

impl From<OutcomeDocument> for Outcome {
    fn from(outcome: OutcomeDocument) -> Self {
        match outcome {
            OutcomeDocument::Completed => Self::Completed,
            OutcomeDocument::Failed { class, message, details, exit } => {
                let details =
                    details.into_iter().map(|(name, value)| (Cow::Owned(name), value)).collect();
                let failure = Failure { class: class.into(), message, details };
                let exit = exit.map(ExitStatus::from);
                Self::Failed { failure, exit }
            }
            OutcomeDocument::Cancelled => Self::Cancelled,
            OutcomeDocument::Timeout => Self::Timeout,
        }
    }
}

impl From<FailureClass> for Class {
    fn from(class: FailureClass) -> Self {
        match class {
            FailureClass::User => Self::User,
            FailureClass::Source => Self::Source,
            FailureClass::Registry => Self::Registry,
            FailureClass::EgressDenied => Self::EgressDenied,
            FailureClass::Oom => Self::Oom,
            FailureClass::DiskFull => Self::DiskFull,
            FailureClass::Policy => Self::Policy,
            FailureClass::Infrastructure => Self::Infrastructure,
        }
    }
}

impl From<Class> for FailureClass {
    fn from(class: Class) -> Self {
        match class {
            Class::User => Self::User,
            Class::Source => Self::Source,
            Class::Registry => Self::Registry,
            Class::EgressDenied => Self::EgressDenied,
            Class::Oom => Self::Oom,
            Class::DiskFull => Self::DiskFull,
            Class::Policy => Self::Policy,
            Class::Infrastructure => Self::Infrastructure,
        }
    }
}
