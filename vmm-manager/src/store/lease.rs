//! What jobs hold of the host, written down before it is taken.

use std::time::SystemTime;

use rusqlite::{Connection, Row, named_params, params};

use super::{
    document::{nanos_of, time_of},
    table::RowError,
};
use crate::job::JobId;

/// What kind of thing is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LeaseKind {
    /// Of the daemon's slot on its host; the context id of the VM's vsock follows from it.
    Number,
    /// Of a VM.
    Directory,
    Cgroup,
    /// Named by the job's id, wherever the kernel keeps it.
    Network,
}

/// One thing of the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    pub job: JobId,
    pub kind: LeaseKind,
    /// Its name on the host: a path, or empty for what has only a number.
    pub name: String,
    pub number: Option<u32>,
    /// Of the host's boot during which it was taken.
    pub boot_id: String,
    pub taken_at: SystemTime,
}

impl LeaseKind {
    const ALL: [Self; 4] = [Self::Number, Self::Directory, Self::Cgroup, Self::Network];

    const fn name(self) -> &'static str {
        match self {
            Self::Number => "number",
            Self::Directory => "directory",
            Self::Cgroup => "cgroup",
            Self::Network => "network",
        }
    }
}

/// Taking what is taken already is no change but of its number and its time.
pub(super) fn insert(connection: &Connection, lease: &Lease) -> Result<(), RowError> {
    let Lease { job, kind, name, number, boot_id, taken_at } = lease;
    connection
        .prepare_cached(
            "INSERT INTO leases (job, kind, name, number, boot_id, taken_at) \
             VALUES (:job, :kind, :name, :number, :boot_id, :taken_at) \
             ON CONFLICT (job, kind, name) DO UPDATE SET number = excluded.number, \
             boot_id = excluded.boot_id, taken_at = excluded.taken_at",
        )?
        .execute(named_params! {
            ":job": job.as_str(),
            ":kind": kind.name(),
            ":name": name,
            ":number": number,
            ":boot_id": boot_id,
            ":taken_at": nanos_of(*taken_at),
        })?;
    Ok(())
}

pub(super) fn delete(
    connection: &Connection,
    job: &JobId,
    kind: LeaseKind,
    name: &str,
) -> Result<(), RowError> {
    connection
        .prepare_cached("DELETE FROM leases WHERE job = ?1 AND kind = ?2 AND name = ?3")?
        .execute(params![job.as_str(), kind.name(), name])?;
    Ok(())
}

const SELECT: &str = "SELECT leases.job, leases.kind, leases.name, leases.number, leases.boot_id, leases.taken_at \
     FROM leases";

pub(super) fn of_job(connection: &Connection, job: &JobId) -> Result<Vec<Lease>, RowError> {
    let filter = "WHERE leases.job = ?1 ORDER BY leases.taken_at";
    many(connection, filter, params![job.as_str()])
}

/// Of every job that has ended: what the reconciler looks for.
pub(super) fn of_ended_jobs(connection: &Connection) -> Result<Vec<Lease>, RowError> {
    let filter = "JOIN jobs ON jobs.id = leases.job WHERE jobs.ended_at IS NOT NULL \
                  ORDER BY leases.taken_at";
    many(connection, filter, params![])
}

pub(super) fn all(connection: &Connection) -> Result<Vec<Lease>, RowError> {
    many(connection, "ORDER BY leases.taken_at", params![])
}

fn many(
    connection: &Connection,
    filter: &str,
    parameters: &[&dyn rusqlite::ToSql],
) -> Result<Vec<Lease>, RowError> {
    let mut statement = connection.prepare_cached(&format!("{SELECT} {filter}"))?;
    let rows = statement.query_map(parameters, Stored::of)?;
    rows.map(|row| row?.understood()).collect()
}

struct Stored {
    job: String,
    kind: String,
    name: String,
    number: Option<u32>,
    boot_id: String,
    taken_at: i64,
}

impl Stored {
    fn of(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            job: row.get(0)?,
            kind: row.get(1)?,
            name: row.get(2)?,
            number: row.get(3)?,
            boot_id: row.get(4)?,
            taken_at: row.get(5)?,
        })
    }

    fn understood(self) -> Result<Lease, RowError> {
        let Self { job, kind, name, number, boot_id, taken_at } = self;
        let known = LeaseKind::ALL.into_iter().find(|known| known.name() == kind);
        match (job.parse(), known) {
            (Ok(job), Some(kind)) => {
                Ok(Lease { job, kind, name, number, boot_id, taken_at: time_of(taken_at) })
            }
            _ => Err(RowError::Damaged { reason: format!("it leases a {kind:?}"), id: job }),
        }
    }
}
