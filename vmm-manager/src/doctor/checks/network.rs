//! Networks of guests: whether links and rules can be made, in a network namespace that is gone
//! afterwards; and what of the host's own stands in their way, which is only looked at.

mod foreign;
mod pools;
mod tries;

use std::process::Command;

use rustix::thread::{UnshareFlags, unshare_unsafe};

use super::{Patient, program::run};
use crate::{
    config::NetworkConfig,
    doctor::report::{Area, Check, Finding},
};

const TAP: &str = "TAP";
const NFT: &str = "nftables";
const CONFIGURED: &str = "networks of guests";
/// As the helper has it.
const PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";

pub(super) fn checks(patient: &Patient) -> Vec<Check> {
    let network = match NetworkConfig::resolve(patient.flags.network.clone()) {
        Ok(Some(network)) => network,
        Ok(None) => {
            let found = "none are to be made (--no-network): jobs that ask for one are refused";
            return vec![Check::note(Area::Network, CONFIGURED, found)];
        }
        Err(error) => return vec![Check::missing(Area::Network, CONFIGURED, error.to_string())],
    };
    if !patient.is_root {
        let found = "kilnd that is not root has none, and refuses jobs that ask for one";
        let mut checks = vec![Check::note(Area::Network, CONFIGURED, found)];
        checks.extend(tries::checks(false));
        return checks;
    }
    let mut checks = tries::checks(true);
    checks.extend(foreign::checks(&network));
    checks.extend(pools::checks(&network));
    checks
}

/// Where root's programs are, whoever called us how.
fn command(program: &str) -> Command {
    let mut command = Command::new(program);
    command.env("PATH", PATH);
    command
}
