//! Which of the host's links pass on what comes in for machines.
//!
//! Where a link asks for a way back (`rp_filter`), it is to ask with a packet's mark: without it
//! there is none from guests' addresses, and answers would be dropped. For what has no mark that
//! changes nothing.
//!
//! IPv4 has a switch for each link. IPv6 has one for each since Linux 6.17; before that only all
//! links together can, and then a link that hears routers hears them no more unless it is told to.

use std::{fs, io};

use super::{
    HostError,
    run::{Run, State, Switch},
};
use crate::sysctl::{self, SysctlError};

const LINKS6: &str = "/proc/sys/net/ipv6/conf";
const ALL: &str = "ipv4/conf/all/forwarding";
const ALL6: &str = "ipv6/conf/all/forwarding";
const ON: &str = "1";
/// Hears routers though it is one.
const HEARS: &str = "2";

/// What has to be set for `link` and is not among what was set before. To be written down before it
/// is.
pub(super) fn wanted(link: &str, has_six: bool, state: &State) -> Result<Vec<Switch>, SysctlError> {
    let mut wanted = Vec::new();
    let mut want = |name: String, now: &str| {
        if state.switches.iter().any(|switch| switch.name == name) {
            return Ok(());
        }
        let before = sysctl::read_if_there(&name)?;
        // One that has no IPv4 has no switch for it.
        wanted.extend(before.map(|before| Switch { name, before, now: now.to_owned() }));
        Ok(())
    };
    want(format!("ipv4/conf/{link}/src_valid_mark"), ON)?;
    want(format!("ipv4/conf/{link}/forwarding"), ON)?;
    if has_six {
        let of_link = format!("ipv6/conf/{link}/force_forwarding");
        if sysctl::read_if_there(&of_link)?.is_some() {
            want(of_link, ON)?;
        } else if sysctl::read_if_there(ALL6)?.is_some_and(|all| all != ON) {
            for link in links6()? {
                let hears = format!("ipv6/conf/{link}/accept_ra");
                if sysctl::read_if_there(&hears)?.is_some_and(|hears| hears == ON) {
                    want(hears, HEARS)?;
                }
                if link != "all" {
                    want(format!("ipv6/conf/{link}/forwarding"), ON)?;
                }
            }
            want(ALL6.to_owned(), ON)?;
        }
    }
    Ok(wanted)
}

/// What was set for `link` and is so no more: it has gone and come back under its name.
pub(super) fn lost(link: &str, state: &State) -> Result<Vec<Switch>, SysctlError> {
    let of_link = |name: &str| name.split('/').nth(2) == Some(link);
    let mut lost = Vec::new();
    for switch in state.switches.iter().filter(|switch| of_link(&switch.name)) {
        if sysctl::read_if_there(&switch.name)?.is_some_and(|value| value != switch.now) {
            lost.push(switch.clone());
        }
    }
    Ok(lost)
}

fn links6() -> Result<Vec<String>, SysctlError> {
    let failed =
        |source: io::Error| SysctlError { name: "ipv6.conf".to_owned(), done: "listed", source };
    let entries = fs::read_dir(LINKS6).map_err(failed)?;
    let names = entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
    names.collect::<io::Result<_>>().map_err(failed)
}

pub(super) fn set(switches: &[Switch]) -> Result<(), SysctlError> {
    for switch in switches.iter().filter(|switch| switch.before != switch.now) {
        sysctl::set(&switch.name, &switch.now)?;
    }
    Ok(())
}

/// To what they were before, the last one first. Under the lock.
pub(super) fn restore(run: &Run, state: &State) -> Result<(), HostError> {
    // Somebody has made this host a router meanwhile: then it is one.
    let is_router = sysctl::read_if_there(ALL)?.is_some_and(|all| all == ON)
        && state.forwards.as_deref() != Some(ON);
    let mut failed = Ok(());
    for switch in state.switches.iter().rev() {
        failed = failed.and(restore_one(run, switch, state, is_router));
    }
    failed
}

fn restore_one(
    run: &Run,
    switch: &Switch,
    state: &State,
    is_router: bool,
) -> Result<(), HostError> {
    if run.hand_over(switch, state)? || is_router && switch.name.ends_with("/forwarding") {
        return Ok(());
    }
    match sysctl::read_if_there(&switch.name)? {
        Some(value) if value != switch.before => {
            Ok(sysctl::set_if_there(&switch.name, &switch.before)?)
        }
        _ => Ok(()),
    }
}

/// Whether all links forward, for whoever sets them back.
pub(super) fn all() -> Result<Option<String>, SysctlError> {
    sysctl::read_if_there(ALL)
}
