//! What a daemon must know of a job to take it up where an earlier one left it.

use std::{fmt, io};

use super::CancelReason;
use crate::job::CommandEnd;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovery {
    /// The command may have been begun: durable before its exec is sent.
    pub started: bool,
    /// Of this attempt's guest.
    pub guest_secret: GuestSecret,
    /// What this attempt's VM is numbered with, from when it was leased until it was given back.
    pub number: Option<u32>,
    /// The command is over.
    pub exit: Option<CommandEnd>,
    /// Somebody wished that the job end.
    pub cancel: Option<CancelReason>,
    /// Everything that the job took from the host has been given back.
    pub released: bool,
}

/// What proves to a guest's agent that a caller is its host. Never printed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct GuestSecret([u8; 32]);

impl Recovery {
    pub(super) fn of_new(guest_secret: GuestSecret) -> Self {
        Self {
            started: false,
            guest_secret,
            number: None,
            exit: None,
            cancel: None,
            released: false,
        }
    }
}

impl GuestSecret {
    pub(super) fn draw() -> io::Result<Self> {
        let mut secret = [0; 32];
        // The kernel gives up to 256 bytes whole once its pool is ready, which this waits for.
        let drawn = rustix::rand::getrandom(&mut secret, rustix::rand::GetRandomFlags::empty())?;
        if drawn == secret.len() {
            Ok(Self(secret))
        } else {
            Err(io::ErrorKind::UnexpectedEof.into())
        }
    }

    pub(super) const fn of(secret: [u8; 32]) -> Self {
        Self(secret)
    }

    /// For the hello, and nothing else.
    pub const fn reveal(&self) -> [u8; 32] {
        self.0
    }
}

impl fmt::Debug for GuestSecret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("GuestSecret(..)")
    }
}
