//! `kiln host`.

use clap::Args;

/// Show who serves, what runs its VMs, and what it has to give.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct HostArguments {
    /// Print one line of JSON.
    #[arg(long)]
    pub(crate) json: bool,
}
