//! A million blobs at once, which by way of the API would take a day: their rows, and their files,
//! which are empty. A daemon must not be there.

use std::{
    fs::{self, File},
    os::unix::fs::{MetadataExt as _, chown},
    path::Path,
};

use anyhow::Context as _;
use kiln_tests::Dice;
use rusqlite::{Connection, params};

/// To a repository each.
const GROUP: usize = 1000;

pub(crate) fn fill(directory: &Path, count: usize) -> anyhow::Result<()> {
    let mut database = Connection::open(directory.join("registry.db"))?;
    let transaction = database.transaction()?;
    let account: i64 = {
        transaction.execute("INSERT INTO accounts (tenant) VALUES ('another')", [])?;
        transaction.last_insert_rowid()
    };
    let mut dice = Dice::new(42);
    let owner = fs::metadata(directory)?;
    {
        let mut blob = transaction.prepare(
            "INSERT INTO blobs (digest, size, used, inode, changed) VALUES (?1, 0, ?2, ?3, ?4)",
        )?;
        let mut link = transaction.prepare(
            "INSERT INTO links (repository, kind, digest, account, size, at) \
             VALUES (?1, 0, ?2, ?3, 0, ?4)",
        )?;
        let mut repository = 0;
        for number in 0..count {
            if number % GROUP == 0 {
                let name = format!("group{}", number / GROUP);
                transaction.execute(
                    "INSERT INTO repositories (account, host, name) VALUES (?1, '', ?2)",
                    params![account, name],
                )?;
                repository = transaction.last_insert_rowid();
            }
            let digest: Vec<u8> = (0..32).map(|_| dice.byte()).collect();
            let digit = |nibble: u8| char::from_digit(nibble.into(), 16).unwrap_or_default();
            let hex: String =
                digest.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect();
            let path = directory.join("blobs/sha256").join(&hex[..2]).join(&hex);
            let file = File::create_new(&path).with_context(|| format!("{}", path.display()))?;
            chown(&path, Some(owner.uid()), Some(owner.gid()))?;
            let metadata = file.metadata()?;
            let changed = metadata.ctime() * 1_000_000_000 + metadata.ctime_nsec();
            let now = metadata.ctime() * 1000;
            blob.execute(params![digest, now, metadata.ino().cast_signed(), changed])?;
            link.execute(params![repository, digest, account, now])?;
        }
    }
    transaction.commit()?;
    Ok(())
}
