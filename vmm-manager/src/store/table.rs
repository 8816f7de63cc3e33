//! The jobs' rows. Every statement that reads or writes one is here.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension as _, Row, named_params, params};

use super::{
    StoreError,
    change::Record,
    document::{
        Columns, decode_record, decode_request, encode_record, encode_request, nanos_of, time_of,
    },
    recovery::GuestSecret,
};
use crate::job::{JobId, Outcome, Owner, State};

/// Why a row could not be read or written.
#[derive(Debug)]
pub(super) enum RowError {
    Database(rusqlite::Error),
    /// A row that is there and makes no sense.
    Damaged {
        id: String,
        reason: String,
    },
}

impl RowError {
    pub(super) fn at(self, path: &Path) -> StoreError {
        match self {
            Self::Database(error) => StoreError::database(path, error),
            Self::Damaged { id, reason } => {
                StoreError::Record { path: path.to_owned(), id, reason }
            }
        }
    }
}

impl From<rusqlite::Error> for RowError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(error)
    }
}

/// How many jobs there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub jobs: u64,
    /// Not ended, or ended and not released.
    pub alive: u64,
}

const SELECT: &str = "SELECT jobs.seq, id, tenant, project, idempotency_key, created_at, released, \
     guest_secret, jobs.document, requests.document FROM jobs JOIN requests USING (seq)";

/// The job's place in the order of jobs.
pub(super) fn insert(connection: &Connection, record: &Record) -> Result<u64, RowError> {
    let Record { job, recovery, order: _ } = record;
    connection
        .prepare_cached(
            "INSERT INTO jobs (id, tenant, project, idempotency_key, state, created_at, ended_at, \
             released, guest_secret, document) VALUES (:id, :tenant, :project, :key, :state, \
             :created_at, :ended_at, :released, :guest_secret, :document)",
        )?
        .execute(named_params! {
            ":id": job.id.as_str(),
            ":tenant": job.owner.tenant,
            ":project": job.owner.project,
            ":key": job.idempotency_key,
            ":state": state_name(&job.state),
            ":created_at": nanos_of(job.created_at),
            ":ended_at": job.ended_at().map(nanos_of),
            ":released": recovery.released,
            ":guest_secret": recovery.guest_secret.reveal(),
            ":document": document(record)?,
        })?;
    let seq = connection.last_insert_rowid();
    let request = encode_request(&job.spec).map_err(|error| damaged(&job.id, &error))?;
    connection
        .prepare_cached("INSERT INTO requests (seq, document) VALUES (?1, ?2)")?
        .execute(params![seq, request])?;
    Ok(seq.unsigned_abs())
}

/// False when there is no such job any more.
pub(super) fn update(connection: &Connection, record: &Record) -> Result<bool, RowError> {
    let Record { job, recovery, order: _ } = record;
    let updated = connection
        .prepare_cached(
            "UPDATE jobs SET state = :state, ended_at = :ended_at, released = :released, \
             guest_secret = :guest_secret, document = :document WHERE id = :id",
        )?
        .execute(named_params! {
            ":id": job.id.as_str(),
            ":state": state_name(&job.state),
            ":ended_at": job.ended_at().map(nanos_of),
            ":released": recovery.released,
            ":guest_secret": recovery.guest_secret.reveal(),
            ":document": document(record)?,
        })?;
    Ok(updated == 1)
}

pub(super) fn by_id(connection: &Connection, id: &JobId) -> Result<Option<Record>, RowError> {
    one(connection, "WHERE id = ?1", params![id.as_str()])
}

pub(super) fn by_key(
    connection: &Connection,
    owner: &Owner,
    key: &str,
) -> Result<Option<Record>, RowError> {
    let Owner { tenant, project } = owner;
    let filter = "WHERE tenant = ?1 AND project = ?2 AND idempotency_key = ?3";
    one(connection, filter, params![tenant, project, key])
}

/// Those that may hold something of the host, in the order in which they came.
pub(super) fn alive(connection: &Connection) -> Result<Vec<Record>, RowError> {
    many(connection, "WHERE released = 0 ORDER BY jobs.seq", params![])
}

/// The tenant's jobs, newest first, from behind `after` on.
pub(super) fn page(
    connection: &Connection,
    tenant: &str,
    project: Option<&str>,
    after: Option<&JobId>,
    limit: usize,
) -> Result<Vec<Record>, RowError> {
    // Behind every id, which begin with digits or letters of ASCII.
    let after = after.map_or("~", JobId::as_str);
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    match project {
        None => {
            let filter = "WHERE tenant = ?1 AND id < ?2 ORDER BY id DESC LIMIT ?3";
            many(connection, filter, params![tenant, after, limit])
        }
        Some(project) => {
            let filter = "WHERE tenant = ?1 AND id < ?2 AND project = ?4 ORDER BY id DESC LIMIT ?3";
            many(connection, filter, params![tenant, after, limit, project])
        }
    }
}

/// Released jobs, the one that ended first first, from behind `after` on.
pub(super) fn over(
    connection: &Connection,
    after: Option<(std::time::SystemTime, &JobId)>,
    limit: usize,
) -> Result<Vec<Record>, RowError> {
    let (ended_at, id) = after.map_or((i64::MIN, ""), |(time, id)| (nanos_of(time), id.as_str()));
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let filter = "WHERE released = 1 AND (ended_at, id) > (?1, ?2) ORDER BY ended_at, id LIMIT ?3";
    many(connection, filter, params![ended_at, id, limit])
}

/// False when there is no such job, or it is not released.
pub(super) fn delete(connection: &Connection, id: &JobId) -> Result<bool, RowError> {
    let deleted = connection
        .prepare_cached("DELETE FROM jobs WHERE id = ?1 AND released = 1")?
        .execute([id.as_str()])?;
    Ok(deleted == 1)
}

pub(super) fn exists(connection: &Connection, id: &JobId) -> Result<bool, RowError> {
    let mut statement = connection.prepare_cached("SELECT 1 FROM jobs WHERE id = ?1")?;
    Ok(statement.exists([id.as_str()])?)
}

pub(super) fn counts(connection: &Connection) -> Result<Counts, RowError> {
    let number = |query: &str| connection.query_row(query, [], |row| row.get::<_, i64>(0));
    let jobs = number("SELECT count(*) FROM jobs")?.unsigned_abs();
    let alive = number("SELECT count(*) FROM jobs WHERE released = 0")?.unsigned_abs();
    Ok(Counts { jobs, alive })
}

pub(super) fn raise_fence(connection: &Connection) -> Result<(), RowError> {
    connection.execute("UPDATE fence SET count = count + 1", [])?;
    Ok(())
}

/// As much as a job of some length takes.
pub(super) fn probe(connection: &Connection) -> Result<(), RowError> {
    connection.execute("INSERT OR REPLACE INTO probe VALUES (1, zeroblob(65536))", [])?;
    Ok(())
}

fn one(
    connection: &Connection,
    filter: &str,
    parameters: &[&dyn rusqlite::ToSql],
) -> Result<Option<Record>, RowError> {
    let row = connection
        .prepare_cached(&format!("{SELECT} {filter}"))?
        .query_row(parameters, Stored::of)
        .optional()?;
    row.map(Stored::understood).transpose()
}

fn many(
    connection: &Connection,
    filter: &str,
    parameters: &[&dyn rusqlite::ToSql],
) -> Result<Vec<Record>, RowError> {
    let mut statement = connection.prepare_cached(&format!("{SELECT} {filter}"))?;
    let rows = statement.query_map(parameters, Stored::of)?;
    rows.map(|row| row?.understood()).collect()
}

/// A row as it stands there.
struct Stored {
    seq: i64,
    id: String,
    tenant: String,
    project: String,
    idempotency_key: Option<String>,
    created_at: i64,
    released: bool,
    guest_secret: [u8; 32],
    document: String,
    request: String,
}

impl Stored {
    fn of(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            seq: row.get(0)?,
            id: row.get(1)?,
            tenant: row.get(2)?,
            project: row.get(3)?,
            idempotency_key: row.get(4)?,
            created_at: row.get(5)?,
            released: row.get(6)?,
            guest_secret: row.get(7)?,
            document: row.get(8)?,
            request: row.get(9)?,
        })
    }

    fn understood(self) -> Result<Record, RowError> {
        let Ok(id) = self.id.parse::<JobId>() else {
            return Err(RowError::Damaged { id: self.id, reason: "its id is none".to_owned() });
        };
        let spec = decode_request(&self.request).map_err(|error| damaged(&id, &error))?;
        let columns = Columns {
            order: self.seq.unsigned_abs(),
            id: id.clone(),
            owner: Owner { tenant: self.tenant, project: self.project },
            idempotency_key: self.idempotency_key,
            created_at: time_of(self.created_at),
            released: self.released,
            guest_secret: GuestSecret::of(self.guest_secret),
        };
        decode_record(columns, spec, &self.document).map_err(|error| damaged(&id, &error))
    }
}

fn damaged(id: &JobId, error: &super::document::DocumentError) -> RowError {
    RowError::Damaged { id: id.to_string(), reason: error.in_words() }
}

fn document(record: &Record) -> Result<String, RowError> {
    encode_record(record).map_err(|error| damaged(&record.job.id, &error))
}

fn state_name(state: &State) -> &'static str {
    match state {
        State::Queued => "queued",
        State::Running { .. } => "running",
        State::Ended { outcome: Outcome::Completed, .. } => "completed",
        State::Ended { outcome: Outcome::Failed { .. }, .. } => "failed",
        State::Ended { outcome: Outcome::Cancelled, .. } => "cancelled",
        State::Ended { outcome: Outcome::Timeout, .. } => "timeout",
    }
}
