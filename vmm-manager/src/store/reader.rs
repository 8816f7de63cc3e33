//! Reads, on a connection of their own: they wait for no write, and no runtime waits for them.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use rusqlite::Connection;

use super::{StoreError, schema, table::RowError};

#[derive(Debug)]
pub(super) struct Reader {
    path: PathBuf,
    /// One at a time; locked on blocking threads only.
    connection: Arc<Mutex<Connection>>,
}

impl Reader {
    pub(super) fn open(path: &Path) -> Result<Self, StoreError> {
        let connection = schema::open_for_reading(path)?;
        Ok(Self { path: path.to_owned(), connection: Arc::new(Mutex::new(connection)) })
    }

    pub(super) async fn read<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Connection) -> Result<T, RowError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let connection = Arc::clone(&self.connection);
        let read = tokio::task::spawn_blocking(move || {
            // A look that panicked has left a statement behind, which its drop has reset.
            look(&connection.lock().unwrap_or_else(PoisonError::into_inner))
        });
        // Only a runtime that goes down cancels a blocking task, or a panic, which is told there.
        read.await.map_err(|_| StoreError::Closed)?.map_err(|error| error.at(&self.path))
    }
}
