//! From what came over the wire to what may be believed to be an event.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use kiln_proto::agent::{
    MAX_BUILD_LOG_BYTES, MAX_BUILD_METADATA_BYTES, MAX_BUILD_NAME_BYTES, MAX_BUILD_STEPS,
    MAX_BUILD_TEXT_BYTES,
    v1::{self, build_event::Event as Wire},
};

use super::{
    DoneEvent, ErrorEvent, Event, LogEvent, ProgressEvent, StepEvent, SummaryEvent, WarningEvent,
};
use crate::{guest::text::steers, stream::Stream};

/// What no agent of ours says.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidEvent {
    #[error("an event of no kind that is known")]
    Unknown,
    #[error("{field} is of {bytes} bytes, over the bound of {limit}")]
    TooLong { field: &'static str, bytes: usize, limit: usize },
    #[error("{field} is {number}, and steps are numbered from 1 to {MAX_BUILD_STEPS}")]
    Step { field: &'static str, number: u32 },
    #[error("a log of stream {0}, which is neither 1 nor 2")]
    Stream(u32),
    #[error("a log without data")]
    EmptyLog,
    #[error("an error from line {first} to line {last}")]
    Lines { first: u32, last: u32 },
}

impl TryFrom<v1::BuildEvent> for Event {
    type Error = InvalidEvent;

    fn try_from(event: v1::BuildEvent) -> Result<Self, InvalidEvent> {
        match event.event.ok_or(InvalidEvent::Unknown)? {
            Wire::Step(step) => step.try_into().map(Self::Step),
            Wire::Log(log) => log.try_into().map(Self::Log),
            Wire::Progress(progress) => progress.try_into().map(Self::Progress),
            Wire::Warning(warning) => warning.try_into().map(Self::Warning),
            Wire::Error(error) => error.try_into().map(Self::Error),
            Wire::Done(done) => done.try_into().map(Self::Done),
            Wire::Summary(v1::BuildSummary { steps, more_steps }) => {
                Ok(Self::Summary(SummaryEvent { steps, more_steps }))
            }
        }
    }
}

impl TryFrom<v1::BuildStep> for StepEvent {
    type Error = InvalidEvent;

    fn try_from(step: v1::BuildStep) -> Result<Self, InvalidEvent> {
        let v1::BuildStep {
            number,
            digest,
            name,
            inputs,
            started_unix_nanos,
            completed_unix_nanos,
            cached,
            error,
        } = step;
        let error = text("a step's error", error)?;
        if inputs.len() > MAX_BUILD_STEPS {
            let (bytes, limit) = (inputs.len(), MAX_BUILD_STEPS);
            return Err(InvalidEvent::TooLong { field: "a list of inputs", bytes, limit });
        }
        Ok(Self {
            number: numbered("a step's number", number)?,
            digest: name_of("a step's digest", digest)?,
            name: name_of("a step's name", name)?,
            inputs: inputs
                .into_iter()
                .map(|input| numbered("a step's input", input))
                .collect::<Result<_, _>>()?,
            started_at: time(started_unix_nanos),
            completed_at: time(completed_unix_nanos),
            cached,
            error: (!error.is_empty()).then_some(error),
        })
    }
}

impl TryFrom<v1::BuildLog> for LogEvent {
    type Error = InvalidEvent;

    fn try_from(log: v1::BuildLog) -> Result<Self, InvalidEvent> {
        let v1::BuildLog { step, stream, unix_nanos, data } = log;
        bounded("a log's data", data.len(), MAX_BUILD_LOG_BYTES)?;
        if data.is_empty() {
            return Err(InvalidEvent::EmptyLog);
        }
        Ok(Self {
            step: numbered("a log's step", step)?,
            stream: match stream {
                1 => Stream::Stdout,
                2 => Stream::Stderr,
                other => return Err(InvalidEvent::Stream(other)),
            },
            time: time(unix_nanos),
            data,
        })
    }
}

impl TryFrom<v1::BuildProgress> for ProgressEvent {
    type Error = InvalidEvent;

    fn try_from(progress: v1::BuildProgress) -> Result<Self, InvalidEvent> {
        let v1::BuildProgress {
            step,
            id,
            current,
            total,
            started_unix_nanos,
            completed_unix_nanos,
        } = progress;
        Ok(Self {
            step: numbered("a progress's step", step)?,
            id: name_of("a progress's id", id)?,
            current,
            total: (total > 0).then_some(total),
            started_at: time(started_unix_nanos),
            completed_at: time(completed_unix_nanos),
        })
    }
}

impl TryFrom<v1::BuildWarning> for WarningEvent {
    type Error = InvalidEvent;

    fn try_from(warning: v1::BuildWarning) -> Result<Self, InvalidEvent> {
        let v1::BuildWarning { step, text: words, details, url, file, line } = warning;
        let together = details.iter().map(|detail| detail.len() + 1).sum();
        bounded("a warning's details", together, MAX_BUILD_TEXT_BYTES)?;
        Ok(Self {
            step: maybe_numbered("a warning's step", step)?.unwrap_or(0),
            text: text("a warning's text", words)?,
            details: details.into_iter().map(printable).collect(),
            url: name_of("a warning's url", url)?,
            file: name_of("a warning's file", file)?,
            line,
        })
    }
}

impl TryFrom<v1::BuildError> for ErrorEvent {
    type Error = InvalidEvent;

    fn try_from(error: v1::BuildError) -> Result<Self, InvalidEvent> {
        let v1::BuildError { message, step, file, first_line, last_line, excerpt, full_disk } =
            error;
        if last_line < first_line {
            return Err(InvalidEvent::Lines { first: first_line, last: last_line });
        }
        let full_disk = name_of("the disk that is full", full_disk)?;
        Ok(Self {
            message: text("the error's message", message)?,
            step: maybe_numbered("the error's step", step)?,
            file: name_of("the error's file", file)?,
            first_line,
            last_line,
            excerpt: text("the error's excerpt", excerpt)?,
            full_disk: (!full_disk.is_empty()).then_some(full_disk),
        })
    }
}

impl TryFrom<v1::BuildDone> for DoneEvent {
    type Error = InvalidEvent;

    fn try_from(done: v1::BuildDone) -> Result<Self, InvalidEvent> {
        let v1::BuildDone { digest, metadata } = done;
        bounded("the metadata", metadata.len(), MAX_BUILD_METADATA_BYTES)?;
        Ok(Self { digest: name_of("the digest", digest)?, metadata: printable(metadata) })
    }
}

fn bounded(field: &'static str, bytes: usize, limit: usize) -> Result<(), InvalidEvent> {
    if bytes > limit { Err(InvalidEvent::TooLong { field, bytes, limit }) } else { Ok(()) }
}

fn numbered(field: &'static str, number: u32) -> Result<u32, InvalidEvent> {
    maybe_numbered(field, number)?.ok_or(InvalidEvent::Step { field, number })
}

/// `None`: 0.
fn maybe_numbered(field: &'static str, number: u32) -> Result<Option<u32>, InvalidEvent> {
    match number {
        0 => Ok(None),
        _ if number as usize <= MAX_BUILD_STEPS => Ok(Some(number)),
        _ => Err(InvalidEvent::Step { field, number }),
    }
}

fn text(field: &'static str, text: String) -> Result<String, InvalidEvent> {
    bounded(field, text.len(), MAX_BUILD_TEXT_BYTES)?;
    Ok(printable(text))
}

fn name_of(field: &'static str, name: String) -> Result<String, InvalidEvent> {
    bounded(field, name.len(), MAX_BUILD_NAME_BYTES)?;
    Ok(without(name, steers))
}

/// Without what moves a cursor or turns a line around; tabs and line ends may stay.
fn printable(text: String) -> String {
    without(text, |letter| steers(letter) && !matches!(letter, '\n' | '\t'))
}

fn without(text: String, unfit: impl Fn(char) -> bool + Copy) -> String {
    if text.contains(unfit) { text.replace(unfit, "\u{fffd}") } else { text }
}

/// Any that a guest can name is one that the host can.
fn time(unix_nanos: u64) -> Option<SystemTime> {
    (unix_nanos > 0).then(|| UNIX_EPOCH + Duration::from_nanos(unix_nanos))
}
