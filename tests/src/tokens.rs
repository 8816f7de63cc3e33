//! One token per core, taken for each virtual CPU that a story boots, so that guests under TCG do
//! not starve each other: in this process or in any other on the machine.
//!
//! A token is a name in the kernel's abstract socket namespace. Whoever binds it has it; it is given
//! back by the kernel when its holder ends, however that ends, and unlike a lock file it leaves
//! nothing behind.

use std::{
    io,
    os::{
        linux::net::SocketAddrExt as _,
        unix::net::{SocketAddr, UnixListener},
    },
    thread,
    time::Duration,
};

use anyhow::Context as _;

const PAUSE: Duration = Duration::from_millis(50);

/// Held for as long as the VMs run.
#[derive(Debug)]
pub struct VmTokens {
    _held: Vec<UnixListener>,
}

impl VmTokens {
    /// Waits for `wanted` tokens; for all there are when it is more than that.
    pub fn take(wanted: usize) -> anyhow::Result<Self> {
        let there = thread::available_parallelism().map_or(1, usize::from);
        Self::take_named("kiln-vm-token", wanted, there)
    }

    fn take_named(family: &str, wanted: usize, there: usize) -> anyhow::Result<Self> {
        let wanted = wanted.min(there);
        let mut held = Vec::with_capacity(wanted);
        if wanted == 0 {
            return Ok(Self { _held: held });
        }
        // Whoever collects holds the gate, so that no two wait for each other's tokens, and one who
        // wants many is not passed by those who want few.
        let _gate = loop {
            match bind(&format!("{family}-gate"))? {
                Some(gate) => break gate,
                None => thread::sleep(PAUSE),
            }
        };
        loop {
            for token in 0..there {
                if held.len() == wanted {
                    return Ok(Self { _held: held });
                }
                held.extend(bind(&format!("{family}-{token}"))?);
            }
            thread::sleep(PAUSE);
        }
    }
}

/// `None` when somebody has it.
fn bind(name: &str) -> anyhow::Result<Option<UnixListener>> {
    let address = SocketAddr::from_abstract_name(name)?;
    match UnixListener::bind_addr(&address) {
        Ok(listener) => Ok(Some(listener)),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => Ok(None),
        Err(error) => Err(error).with_context(|| format!("taking the token {name}")),
    }
}

#[cfg(test)]
mod tests {
    use std::{
        process,
        sync::atomic::{AtomicUsize, Ordering},
    };

    use super::*;

    #[test]
    fn never_more_virtual_cpus_than_tokens() {
        let family = format!("kiln-test-{}", process::id());
        let running = AtomicUsize::new(0);
        thread::scope(|scope| {
            for wanted in [1, 2, 3, 1, 2, 9] {
                let (family, running) = (&family, &running);
                scope.spawn(move || {
                    let _tokens = VmTokens::take_named(family, wanted, 3).unwrap();
                    let now = running.fetch_add(wanted.min(3), Ordering::SeqCst) + wanted.min(3);
                    assert!(now <= 3, "{now} virtual CPUs at once");
                    thread::sleep(Duration::from_millis(5));
                    running.fetch_sub(wanted.min(3), Ordering::SeqCst);
                });
            }
        });
    }
}
