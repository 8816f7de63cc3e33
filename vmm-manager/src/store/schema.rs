//! The database file: how it is opened, what stands in it, and how it grows from version to version.

use std::{path::Path, time::Duration};

use rusqlite::{Connection, OpenFlags, config::DbConfig};

use super::StoreError;

/// "Kiln", where the tools of `SQLite` look for whose a file is.
const APPLICATION_ID: i64 = 0x4b69_6c6e;

/// Each brings a database of the version that is its index to the next one. Only ever appended to.
const MIGRATIONS: [&str; 1] = [include_str!("schema/1.sql")];

/// Reads from every table.
const TOUCH: &str = "SELECT (SELECT document FROM jobs ORDER BY seq DESC LIMIT 1), \
     (SELECT document FROM requests ORDER BY seq DESC LIMIT 1), \
     (SELECT job FROM leases LIMIT 1), (SELECT count FROM fence)";

/// The writer and the readers do not wait for each other in WAL mode; this is for a person with a
/// database tool.
const BUSY: Duration = Duration::from_secs(5);

/// Pages of the write-ahead log before it is carried over into the database: 8 MiB.
const CHECKPOINT_PAGES: u32 = 2048;

/// For the one thread that writes. A database of another daemon's making is refused as it is.
pub(super) fn open_for_writing(path: &Path) -> Result<Connection, StoreError> {
    let failed = |source| StoreError::database(path, source);
    refuse_foreign(path)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags).map_err(failed)?;
    if !configure(&connection).map_err(failed)? {
        return Err(StoreError::NoLog { path: path.to_owned() });
    }
    migrate(&mut connection).map_err(failed)?;
    Ok(connection)
}

pub(super) fn open_for_reading(path: &Path) -> Result<Connection, StoreError> {
    let failed = |source| StoreError::database(path, source);
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(failed)?;
    connection.busy_timeout(BUSY).map_err(failed)?;
    Ok(connection)
}

/// Looks without a change: not even the write-ahead log is carried over.
fn refuse_foreign(path: &Path) -> Result<(), StoreError> {
    if !path.exists() {
        return Ok(());
    }
    let failed = |source| StoreError::database(path, source);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(failed)?;
    connection.busy_timeout(BUSY).map_err(failed)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).map_err(failed)?;
    let number = |query: &str| connection.query_row(query, [], |row| row.get::<_, i64>(0));
    let application = number("PRAGMA application_id").map_err(failed)?;
    let version = number("PRAGMA user_version").map_err(failed)?;
    let tables = number("SELECT count(*) FROM sqlite_schema").map_err(failed)?;
    // A daemon may have died between making the file and making what stands in it.
    let empty = (application, version, tables) == (0, 0, 0);
    if application != APPLICATION_ID && !empty {
        return Err(StoreError::Foreign { path: path.to_owned() });
    }
    if version > latest() {
        return Err(StoreError::Newer { path: path.to_owned(), theirs: version, ours: latest() });
    }
    if !empty {
        // A file that was cut or written over shows here, before anything is written to it.
        connection.execute_batch(TOUCH).map_err(failed)?;
    }
    Ok(())
}

/// False where the file system cannot hold a write-ahead log, which is not told as an error.
fn configure(connection: &Connection) -> rusqlite::Result<bool> {
    connection.busy_timeout(BUSY)?;
    let mode = connection
        .pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get::<_, String>(0))?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    // Statements of changes and of submits, each kept.
    connection.set_prepared_statement_cache_capacity(32);
    Ok(mode == "wal")
}

/// All steps in one transaction: the file is of the old version or of the new one.
fn migrate(connection: &mut Connection) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    let version: i64 = transaction.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let done = usize::try_from(version).unwrap_or(0).min(MIGRATIONS.len());
    for migration in &MIGRATIONS[done..] {
        transaction.execute_batch(migration)?;
    }
    if done < MIGRATIONS.len() {
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", latest())?;
    }
    transaction.commit()
}

fn latest() -> i64 {
    i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX)
}
