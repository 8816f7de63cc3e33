//! How every driver's machines behave, written once against the seam.
//!
//! Each behaviour takes a driver and the spec of a fresh machine that boots a guest image of ours,
//! and says what went otherwise. The end-to-end stories run them all with each driver.

mod end;
mod guest;
mod start;

use std::{fmt, future::Future, pin::Pin, time::Duration};

use super::{Machine, VmExit, VmSpec, Vmm};

/// One thing that holds for every machine.
#[derive(Clone, Copy, Debug)]
pub struct Behaviour {
    /// As a sentence, with underscores.
    pub name: &'static str,
    pub check: for<'a> fn(&'a dyn Vmm, VmSpec) -> Check<'a>,
}

pub type Check<'a> = Pin<Box<dyn Future<Output = Result<(), Misbehaviour>> + Send + 'a>>;

/// What went otherwise.
#[derive(Debug)]
pub struct Misbehaviour {
    what: String,
}

macro_rules! behaviours {
    ($($module:ident::$name:ident),* $(,)?) => {
        /// All of them.
        pub const BEHAVIOURS: &[Behaviour] = &[$(Behaviour {
            name: stringify!($name),
            check: |vmm, spec| Box::pin($module::$name(vmm, spec)),
        }),*];
    };
}

behaviours! {
    start::a_created_machine_holds_still,
    start::a_machine_boots_once,
    start::a_machine_that_cannot_be_made_is_an_error,
    guest::a_guest_has_the_processors_and_the_memory_that_were_asked,
    guest::a_guest_that_powers_itself_off_ends_its_machine,
    guest::a_guest_that_panics_ends_its_machine_with_its_last_words,
    guest::a_serial_flood_is_bounded,
    end::a_machine_is_killed_at_any_moment,
    end::a_machine_is_stopped_by_asking_first,
    end::a_machine_that_is_dropped_is_gone,
    end::a_process_killed_by_somebody_else_is_told_apart,
}

/// Far more than any step takes, even emulated on a busy host: only a hang meets it.
const PATIENCE: Duration = Duration::from_secs(120);

impl Misbehaviour {
    fn new(what: impl fmt::Display) -> Self {
        Self { what: what.to_string() }
    }
}

impl fmt::Display for Misbehaviour {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.what)
    }
}

impl<E: std::error::Error> From<E> for Misbehaviour {
    fn from(error: E) -> Self {
        let mut what = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            what = format!("{what}: {error}");
            cause = error.source();
        }
        Self { what }
    }
}

fn same<T: PartialEq + fmt::Debug>(
    what: &str,
    actual: &T,
    expected: &T,
) -> Result<(), Misbehaviour> {
    if actual == expected {
        return Ok(());
    }
    Err(Misbehaviour::new(format!("{what} is {actual:?}, not {expected:?}")))
}

/// The end of a machine that is due.
async fn ended(machine: &dyn Machine) -> Result<VmExit, Misbehaviour> {
    match tokio::time::timeout(PATIENCE, machine.wait()).await {
        Ok(exit) => Ok(exit),
        Err(_) => Err(Misbehaviour::new(format!("it has not ended: {:?}", machine.status().await))),
    }
}
