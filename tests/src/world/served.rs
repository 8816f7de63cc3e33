//! What servers were told.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

/// One connection, or one request of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    pub from: SocketAddr,
    /// The address that was asked for.
    pub at: SocketAddr,
    /// The host that a request or a greeting named; empty where none was.
    pub host: String,
}

/// Clones are one list.
#[derive(Clone, Debug, Default)]
pub struct Served(Arc<Mutex<Vec<Said>>>);

impl Served {
    pub fn all(&self) -> Vec<Said> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many named this host.
    pub fn to(&self, host: &str) -> usize {
        self.all().iter().filter(|said| said.host == host).count()
    }

    pub fn forget(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    pub(super) fn note(&self, from: SocketAddr, at: SocketAddr, host: &str) {
        let said = Said { from, at, host: host.to_owned() };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(said);
    }
}
