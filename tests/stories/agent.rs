//! What the agent does in its guest. These stories share one VM, each on its own: it is lent out,
//! and lost when its story fails.

mod boot;
mod command;
mod end;
mod guest;
mod hardship;
mod kill;
mod stream;

use std::sync::{Mutex, PoisonError};

use kiln_tests::{Stage, Story, Vm};

static IDLE: Mutex<Option<Vm>> = Mutex::new(None);

/// The last one takes the VM with it.
pub(crate) fn stories() -> Vec<Story> {
    [
        guest::stories(),
        command::stories(),
        stream::stories(),
        kill::stories(),
        hardship::stories(),
        boot::stories(),
        end::stories(),
    ]
    .concat()
}

/// The VM that the last story gave back, or a new one.
async fn lent(stage: &Stage) -> anyhow::Result<Vm> {
    let idle = IDLE.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(vm) = idle {
        if vm.is_running().await {
            return Ok(vm);
        }
        vm.end().await?;
    }
    Vm::boot(stage.settings()).await
}

/// For the next story.
async fn give_back(vm: Vm) -> anyhow::Result<()> {
    let other = IDLE.lock().unwrap_or_else(PoisonError::into_inner).replace(vm);
    match other {
        Some(other) => other.shut_down().await,
        None => Ok(()),
    }
}

/// After the last story, when the one that ends the VM was not told.
pub(crate) fn close() -> anyhow::Result<()> {
    match IDLE.lock().unwrap_or_else(PoisonError::into_inner).take() {
        Some(vm) => kiln_tests::block_on(vm.end()).map(drop),
        None => Ok(()),
    }
}
