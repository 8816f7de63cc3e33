//! What comes in on the streams to a running job.

use kiln_proto::v1;

use super::{exec, job_id};
use crate::{
    api::field::InvalidField,
    job::{Exec, JobId, TerminalSize},
};

/// The highest that Linux has.
const MOST_SIGNAL: i32 = 64;

/// The first request of `AttachJob`: which job, and from where on.
pub(in crate::api) fn attach(
    first: Option<v1::AttachJobRequest>,
) -> Result<(JobId, u64), InvalidField> {
    match first.and_then(|request| request.event) {
        Some(v1::attach_job_request::Event::Attach(v1::Attach { id, offset })) => {
            Ok((job_id("attach.id", &id)?, offset))
        }
        Some(_) | None => Err(InvalidField::new("attach", "must come first")),
    }
}

/// The first request of `ExecInJob`: in which job, and what.
pub(in crate::api) fn exec_in_job(
    first: Option<v1::ExecInJobRequest>,
) -> Result<(JobId, Exec), InvalidField> {
    match first.and_then(|request| request.event) {
        Some(v1::exec_in_job_request::Event::Start(v1::ExecInJob { id, exec: wire })) => {
            let id = job_id("start.id", &id)?;
            let wire = wire.ok_or_else(|| InvalidField::new("start.exec", "is missing"))?;
            Ok((id, exec("start.exec", wire)?))
        }
        Some(_) | None => Err(InvalidField::new("start", "must come first")),
    }
}

pub(in crate::api) fn signal(number: i32) -> Result<i32, InvalidField> {
    if !(1..=MOST_SIGNAL).contains(&number) {
        let problem = format!("{number} is no signal: 1 to {MOST_SIGNAL}");
        return Err(InvalidField::new("signal", problem));
    }
    Ok(number)
}

/// `at` is where the request has it.
pub(in crate::api) fn terminal_size(
    at: &str,
    wire: v1::TerminalSize,
) -> Result<TerminalSize, InvalidField> {
    let v1::TerminalSize { rows, columns } = wire;
    let side = |name: &str, count: u32| match u16::try_from(count) {
        Ok(count @ 1..) => Ok(count),
        Ok(0) | Err(_) => {
            let problem = format!("{count} is not from 1 to {}", u16::MAX);
            Err(InvalidField::new(format!("{at}.{name}"), problem))
        }
    };
    Ok(TerminalSize { rows: side("rows", rows)?, columns: side("columns", columns)? })
}
