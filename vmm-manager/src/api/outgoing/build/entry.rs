//! A build's log, an entry at a time.

use kiln_proto::v1::{self, read_build_log_response::Event as Wire};

use crate::{
    build::{
        event::{ErrorEvent, Event, LogEvent, ProgressEvent},
        reader::Entry,
    },
    stream::Stream,
};

/// `None` for what is the host's alone.
pub(in crate::api) fn entry(entry: Entry) -> Option<v1::ReadBuildLogResponse> {
    let (next_offset, event) = match entry {
        Entry::Gap { offset, dropped_bytes } => {
            let gap = v1::LogGap { offset, dropped_bytes };
            (offset.saturating_add(dropped_bytes), Wire::Gap(gap))
        }
        Entry::Event { offset: _, next_offset, time: _, event } => (next_offset, wire(event)?),
    };
    Some(v1::ReadBuildLogResponse { next_offset, event: Some(event) })
}

fn wire(event: Event) -> Option<Wire> {
    Some(match event {
        Event::Step(step) => Wire::Step(super::step(&step)),
        Event::Log(log) => Wire::Log(step_log(log)),
        Event::Progress(progress) => Wire::Progress(step_progress(progress)),
        Event::Warning(warning) => Wire::Warning(super::warning(&warning)),
        Event::Error(error) => Wire::Fault(fault(error)),
        // What came of it, the host finds out itself; how many steps there are, the graph says.
        Event::Done(_) | Event::Summary(_) => return None,
    })
}

fn step_log(log: LogEvent) -> v1::StepLog {
    let LogEvent { step, stream, time, data } = log;
    let stream = match stream {
        Stream::Stdout => v1::Stream::Stdout,
        Stream::Stderr => v1::Stream::Stderr,
    };
    v1::StepLog { step, stream: stream.into(), time: time.map(Into::into), data }
}

fn step_progress(progress: ProgressEvent) -> v1::StepProgress {
    let ProgressEvent { step, id, current, total, started_at, completed_at } = progress;
    v1::StepProgress {
        step,
        id,
        current,
        total: total.unwrap_or_default(),
        started_at: started_at.map(Into::into),
        completed_at: completed_at.map(Into::into),
    }
}

fn fault(error: ErrorEvent) -> v1::BuildFault {
    // Which disk was full is in the job's failure, by the export's name.
    let ErrorEvent { message, step, file, first_line, last_line, excerpt, full_disk: _ } = error;
    let step = step.unwrap_or_default();
    v1::BuildFault { message, step, file, first_line, last_line, excerpt }
}
