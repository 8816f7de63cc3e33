//! The database file: how it is opened, what stands in it, and how it grows from version to version.

use std::{path::Path, time::Duration};

use rusqlite::{Connection, OpenFlags};

use super::StoreError;

/// "`KilI`", where the tools of `SQLite` look for whose a file is.
const APPLICATION_ID: i64 = 0x4b69_6c49;

/// Each brings a database of the version that is its index to the next one. Only ever appended to.
const MIGRATIONS: [&str; 2] = [include_str!("schema/1.sql"), include_str!("schema/2.sql")];

/// The writer and the readers do not wait for each other in WAL mode; this is for a person with a
/// database tool.
const BUSY: Duration = Duration::from_secs(5);

/// Pages of the write-ahead log before it is carried over into the database: 8 MiB.
const CHECKPOINT_PAGES: u32 = 2048;

/// Of the file that is mapped: the index of a million blobs is found without a call.
const MAPPED_BYTES: i64 = 256 << 20;

/// For the one thread that writes. A database of another making is refused as it is.
pub(super) fn open_for_writing(path: &Path) -> Result<Connection, StoreError> {
    refuse_foreign(path)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY)?;
    let mode = connection
        .pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get::<_, String>(0))?;
    if mode != "wal" {
        return Err(StoreError::NoLog { path: path.to_owned() });
    }
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    connection.set_prepared_statement_cache_capacity(64);
    migrate(&mut connection)?;
    Ok(connection)
}

pub(super) fn open_for_reading(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY)?;
    connection
        .pragma_update_and_check(None, "mmap_size", MAPPED_BYTES, |row| row.get::<_, i64>(0))?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

fn refuse_foreign(path: &Path) -> Result<(), StoreError> {
    if !path.exists() {
        return Ok(());
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY)?;
    let number = |query: &str| connection.query_row(query, [], |row| row.get::<_, i64>(0));
    let application = number("PRAGMA application_id")?;
    let version = number("PRAGMA user_version")?;
    let tables = number("SELECT count(*) FROM sqlite_schema")?;
    // Whoever made the file may have died before anything stood in it.
    let empty = (application, version, tables) == (0, 0, 0);
    if application != APPLICATION_ID && !empty {
        return Err(StoreError::Foreign { path: path.to_owned() });
    }
    if version > latest() {
        return Err(StoreError::Newer { path: path.to_owned(), theirs: version, ours: latest() });
    }
    Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_before_are_charged() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("registry.db");
        let old = Connection::open(&path).unwrap();
        old.execute_batch(MIGRATIONS[0]).unwrap();
        old.execute_batch(
            "INSERT INTO accounts (id, tenant) VALUES (1, 'a');
             INSERT INTO repositories (id, account, host, name)
             VALUES (1, 1, '', 'app'), (2, 0, 'registry.example', 'app');
             INSERT INTO manifests (digest, bytes, annotations, used)
             VALUES (zeroblob(32), x'', '{\"a\":\"b\"}', 0);
             INSERT INTO links (repository, kind, digest, account, size, at)
             VALUES (1, 1, zeroblob(32), 1, 9, 0), (2, 1, zeroblob(32), 0, 9, 0);
             INSERT INTO tags (repository, name, digest, at) VALUES (1, 'v1', zeroblob(32), 0);",
        )
        .unwrap();
        old.pragma_update(None, "application_id", APPLICATION_ID).unwrap();
        old.pragma_update(None, "user_version", 1).unwrap();
        drop(old);
        let new = open_for_writing(&path).unwrap();
        let charged = |query: &str| {
            new.execute_batch(query).unwrap();
            let charged = "SELECT rows_bytes FROM accounts WHERE id = 1";
            new.query_row(charged, [], |row| row.get::<_, i64>(0)).unwrap()
        };
        assert_eq!(charged(""), 3 * 512 + 9);
        assert_eq!(charged("DELETE FROM tags"), 2 * 512 + 9);
        assert_eq!(charged("DELETE FROM links"), 512);
        assert_eq!(charged("DELETE FROM repositories"), 0);
        let mirrors = "SELECT rows_bytes FROM accounts WHERE id = 0";
        assert_eq!(new.query_row(mirrors, [], |row| row.get::<_, i64>(0)).unwrap(), 0);
    }
}
